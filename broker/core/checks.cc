// Checkers: processes that look at blocks before they are handed out, and after they were done
// (SEMANTICS "Checks"). For the broker they are workers of another duty; only what their answers
// mean differs.

#include <fmt/format.h>

#include <utility>

#include "broker/core/broker_core.h"
#include "broker/schedule/mutation.h"

namespace bellis {
namespace {

/// Blocks that are checked ahead of the workers that will take them: so many, and some more for
/// each worker.
constexpr size_t kCheckAhead = 64;
constexpr size_t kCheckAheadPerWorker = 4;
/// Checks that ended in an exception, told in the log for a task.
constexpr uint64_t kCheckFailuresTold = 10;

}  // namespace

/// Hands completed blocks to post-checkers.
void BrokerCore::DispatchPostChecks(Job& job, TaskIndex t) {
  TaskRun& task = job.tasks[t];
  Pool& confirmers = task.pool(Duty::kPostCheck);
  while (!task.to_confirm.empty() && durable_.HasLeaseIds()) {
    const BlockIndex block = task.to_confirm.front();
    Worker* confirmer = FirstParkedFor(task, confirmers, block);
    if (confirmer == nullptr) break;
    task.to_confirm.pop_front();
    Grant(job, t, *confirmer, block);
    TookOne(confirmers, *confirmer);
  }
}

/// The block that is out in a serial job is confirmed; the task gets no other.
void BrokerCore::ConfirmSerial(Job& job, TaskIndex t) {
  DispatchPostChecks(job, t);
  LaunchPool(job, t, Duty::kPostCheck);
}

/// Hands ready blocks to checkers, and completed ones to post-checkers.
void BrokerCore::DispatchChecks(Job& job, TaskIndex t) {
  DispatchPostChecks(job, t);
  TaskRun& task = job.tasks[t];
  if (!job.spec.tasks[t].check || !durable_.HasLeaseIds()) return;
  if (!TaskHandsOutNothingBecause(job, t).empty()) return;
  Pool& checkers = task.pool(Duty::kCheck);
  const size_t ahead =
      job.spec.serial ? 1 : kCheckAhead + kCheckAheadPerWorker * task.pool(Duty::kWork).live;
  while (task.cleared.size() + task.checking < ahead) {
    Worker* checker = FirstParked(checkers);
    if (checker == nullptr) return;
    const auto block = job.frontier->Pop(t);
    if (!block) return;
    ++task.checking;
    Grant(job, t, *checker, *block);
    TookOne(checkers, *checker);
  }
}

/// A checker's answer; `error`, if any, is what went wrong while it looked, and counts as no.
void BrokerCore::Checked(Worker& checker, const Lease& lease, bool yes, const std::string& error) {
  Job& job = *checker.job;
  const TaskIndex t = checker.task;
  TaskRun& task = job.tasks[t];
  if (yes || error.empty()) {
    PoolOf(checker).progress = true;
    Succeeded(checker);
  }
  if (!yes && !error.empty() && ++task.checks_failed <= kCheckFailuresTold) {
    turn_.Log(
        LogLevel::kWarning,
        fmt::format("task {}: {} of block index {} ended in an error, which counts as no{}: {}",
                    job.spec.tasks[t].task_id, DutyName(checker.duty), lease.block,
                    task.checks_failed == kCheckFailuresTold ? " (more are not told)" : "",
                    error.substr(0, error.find('\n'))));
  }
  job.Touch(t);
  if (checker.duty == Duty::kCheck) {
    --task.checking;
    if (!yes && !Mutated(Mutation::kNoMeansYes)) {
      Acknowledge(checker, lease.id);
      return task.cleared.push_back(lease.block);
    }
    task.ForgetTries(lease.block);
    return BlockIsDone(job, t, lease, checker.id, /*skipped=*/true);
  }
  const auto found = task.unconfirmed.find(lease.block);
  const Unconfirmed done = found->second;
  task.unconfirmed.erase(found);
  Acknowledge(checker, lease.id);
  Lease its = lease;
  its.id = done.lease;
  if (yes) return Completed(job, t, its, done.worker, done.language_slot, done.ms);
  if (Worker* worker = Find(done.worker)) {
    CountTry(*worker, /*failed=*/true);
    if (worker->session == done.session) Acknowledge(*worker, its.id, /*dropped=*/true);
  }
  FailAttempt(job, t, its, done.worker,
              error.empty() ? "its post_check says that the output is wrong"
                            : "its post_check ended in an error: " + error);
}

/// Whatever workers and checkers of the task hold is ready again, or is forgotten with the task.
void BrokerCore::TakeBackAll(Job& job, TaskIndex t) {
  TaskRun& task = job.tasks[t];
  for (const WorkerId id : task.workers) {
    Worker& worker = *Find(id);
    for (const Lease& lease : std::exchange(worker.held, {})) {
      if (worker.duty == Duty::kWork) job.frontier->Requeue({t, lease.block});
    }
    NoteUse(worker);
  }
  for (const auto& [block, claim] : std::exchange(task.claims, {})) {
    if (claim.result) job.frontier->Requeue({t, block});
  }
  for (const auto& [block, done] : task.unconfirmed) job.frontier->Requeue({t, block});
  while (!task.uncommitted.empty()) FinishBlock(job, t, task.uncommitted.begin()->first);
  for (Pool& pool : task.pools) pool.parked.clear();
  task.checking = 0;
  task.cleared.clear();
  task.unconfirmed.clear();
  task.to_confirm.clear();
  task.held_back.clear();
  for (auto& apart : task.apart) apart.clear();
  task.attempts.clear();
}

}  // namespace bellis
