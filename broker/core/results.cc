#include "broker/core/results.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/schedule/mutation.h"
#include "common/protocol/wire_text.h"
#include "common/text/headline.h"

namespace bellis {
namespace {

constexpr size_t kFailuresKept = 100;
constexpr size_t kFailureTextMax = 2048;
/// How many checks of a task that ended in an exception are logged.
constexpr uint64_t kCheckFailuresTold = 10;

}  // namespace

void Results::TakeResult(Worker& worker, const BlockResult& result) {
  const auto held = std::find_if(worker.held.begin(), worker.held.end(),
                                 [&](const Lease& lease) { return lease.id == result.lease; });
  const bool lost = !worker.loss_reason.empty() && !Mutated(Mutation::kStaleLease);
  if (held == worker.held.end() || lost) {
    AcknowledgeDropped(worker, result.lease);
    turn_.Log(LogLevel::kInfo,
              fmt::format("worker {} released lease {}, which it does not hold any more: ignored",
                          worker.id.value, result.lease.value));
    return;
  }
  const Lease lease = *held;
  const bool first = held == worker.held.begin();
  worker.held.erase(held);
  roster_.NoteUse(worker);
  Job& job = *worker.job;
  jobs_.Queue(job);
  if (auto& apart = job.tasks[worker.task].apart_for(worker.duty); !apart.empty()) {
    if (result.outcome != BlockOutcome::kReturned) apart.erase(lease.block);
    job.Touch(worker.task);  // a block that is set apart may have waited for this worker to hold
                             // none
  }
  if (result.outcome == BlockOutcome::kReturned) {
    GiveBack(worker, lease);
    AcknowledgeKept(worker, lease.id);
  } else if (worker.duty != Duty::kWork) {
    TakeAnswer(worker, lease,
               result.outcome == BlockOutcome::kCompleted ? Verdict::kYes : Verdict::kNo,
               result.error);
  } else {
    const double ms = std::max(0.0, (turn_.now() - (first ? lease.start : turn_.now())).millis());
    const Claim done{worker.id, worker.session, worker.language_slot, lease, ms, result};
    std::map<BlockIndex, Claim>& claims = job.tasks[worker.task].claims;
    const auto claim = claims.find(lease.block);
    if (claim != claims.end() && claim->second.lease.id == lease.id) {
      claim->second = done;
    } else {
      CountResult(job, worker.task, done);
    }
  }
  if (first && !Mutated(Mutation::kTimeoutOnce)) roster_.StartBlock(worker);
  Worker& place = roster_.PlaceOf(worker);
  if (place.launched() && !place.is_leaving() && FailsMoreThanOthers(place)) {
    orders_.Drain(place,
                  fmt::format("failed {} blocks in a row; its place is taken by a new worker",
                              place.failures_in_a_row));
  }
}

/// A worker's result takes effect.
void Results::CountResult(Job& job, TaskIndex t, const Claim& done) {
  TaskRun& task = job.tasks[t];
  const Lease& lease = done.lease;
  if (done.result->outcome != BlockOutcome::kCompleted) {
    if (Worker* worker = roster_.Find(done.worker)) CountFailedTry(roster_.PlaceOf(*worker));
    const std::string& error = done.result->error;
    FailAttempt(job, t, lease, done.worker, error.empty() ? "no reason given" : error);
    return WhenDurable(AttemptIsDurable{done.worker, done.session, lease.id});
  }
  task.pool(Duty::kWork).progress = true;
  if (const Worker* worker = roster_.Find(done.worker)) Succeeded(roster_.PlaceOf(*worker));
  if (!job.spec.tasks[t].post_check || Mutated(Mutation::kUnconfirmed)) {
    return CompleteBlock(job, t, lease, done.worker, done.language_slot, done.ms);
  }
  task.unconfirmed[lease.block] = {lease.attempt, done.worker,        done.session,
                                   lease.id,      done.language_slot, done.ms};
  task.to_confirm.push_back(lease.block);
  job.Touch(t);
}

void Results::CompleteBlock(Job& job, TaskIndex t, const Lease& lease, WorkerId worker,
                            size_t language_slot, double ms) {
  TaskRun& task = job.tasks[t];
  EndFailureRow(job, t);
  if (Worker* doer = roster_.Find(worker)) CountCompletedTries(roster_.PlaceOf(*doer), 1);
  LanguageRun& language = task.languages[language_slot];
  ++language.blocks;
  language.ms_total += ms;
  task.ForgetTries(lease.block);
  RecordCompleted(job, t, lease, worker, language.language, ms);
}

/// A lease that was removed from `held` ended in failure: the block is retried, or has failed.
void Results::FailAttempt(Job& job, TaskIndex t, const Lease& lease, WorkerId worker,
                          const std::string& error) {
  TaskRun& task = job.tasks[t];
  const TaskSpec& spec = job.spec.tasks[t];
  const BlockGrid& grid = job.graph->grid(t);
  const CantorId id = grid.IdOf(grid.PointOf(lease.block));
  std::string scratch;
  CountFailure(job, t,
               fmt::format("block {} in worker {}: {}", id, worker.value,
                           wire::CutMiddle(Headline(error), 200, scratch)));
  FailureRecord failure{id, lease.block, lease.attempt, worker,
                        std::string(wire::CutMiddle(error, kFailureTextMax, scratch))};
  if (task.failures.size() < kFailuresKept) task.failures.push_back(failure);
  turn_.Log(LogLevel::kWarning, fmt::format("block {}/{} failed in worker {} (attempt {}): {}",
                                            spec.task_id, id, worker.value, lease.attempt,
                                            wire::CutMiddle(Headline(error), 200, scratch)));
  Attempts& attempts = task.attempts[lease.block];
  ++attempts.failed;
  const BlockRef block{t, lease.block};
  const bool final = attempts.failed > spec.max_retries + (Mutated(Mutation::kOneTryMore) ? 1 : 0);
  durable_.Persist(AttemptFailed{job.number, t, std::move(failure), final});
  if (final) {
    task.ForgetTries(lease.block);
    return RecordFailed(job, t, lease.block);
  }
  attempts.workers.push_back(worker);
  attempts.open_at = turn_.now() + options_.other_worker_wait;
  turn_.Wake({attempts.open_at, TimerKind::kTask, job.number.value, t});
  if (!Mutated(Mutation::kRetryLost)) job.frontier->Requeue(block);
}

/// A lease ended without a result: the block is as it was before.
void Results::GiveBack(Worker& worker, const Lease& lease) {
  TaskRun& task = worker.job->tasks[worker.task];
  const BlockRef block{worker.task, lease.block};
  switch (worker.duty) {
    case Duty::kWork: worker.job->frontier->Requeue(block); return;
    case Duty::kCheck:
      --task.checking;
      worker.job->frontier->PutBack(block);
      return;
    case Duty::kPostCheck:
      task.to_confirm.push_front(lease.block);
      worker.job->Touch(worker.task);
      return;
  }
}

/// Blocks of leases that were not delivered go back as they were.
void Results::ReturnUndelivered(const PeerGone& gone) {
  const Peer* known = peers_.Find(gone.peer);
  if (known == nullptr || known->worker == nullptr) return;
  Worker& worker = *known->worker;
  for (const LeaseId id : gone.undelivered) {
    const auto held = std::find_if(worker.held.begin(), worker.held.end(),
                                   [id](const Lease& lease) { return lease.id == id; });
    if (held == worker.held.end() || Mutated(Mutation::kUndeliveredKept)) continue;
    GiveBack(worker, *held);
    worker.held.erase(held);
    roster_.NoteUse(worker);
    jobs_.Queue(*worker.job);
  }
}

/// Takes a checker's answer. An `error` says what went wrong during the check, and counts as no.
void Results::TakeAnswer(Worker& checker, const Lease& lease, Verdict verdict,
                         const std::string& error) {
  const bool yes = verdict == Verdict::kYes;
  Job& job = *checker.job;
  const TaskIndex t = checker.task;
  TaskRun& task = job.tasks[t];
  if (yes || error.empty()) {
    Roster::PoolOf(checker).progress = true;
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
      AcknowledgeKept(checker, lease.id);
      return task.cleared.push_back(lease.block);
    }
    task.ForgetTries(lease.block);
    return RecordSkipped(job, t, lease, checker);
  }
  const auto found = task.unconfirmed.find(lease.block);
  const Unconfirmed done = found->second;
  task.unconfirmed.erase(found);
  AcknowledgeKept(checker, lease.id);
  Lease its = lease;
  its.id = done.lease;
  if (yes) return CompleteBlock(job, t, its, done.worker, done.language_slot, done.ms);
  if (Worker* worker = roster_.Find(done.worker)) {
    CountFailedTry(*worker);
    if (worker->session == done.session) AcknowledgeDropped(*worker, its.id);
  }
  FailAttempt(job, t, its, done.worker,
              error.empty() ? "its post_check says that the output is wrong"
                            : "its post_check ended in an error: " + error);
}

/// All blocks that workers and checkers of the task hold are ready again, or are forgotten with the
/// task.
void Results::TakeBackAll(Job& job, TaskIndex t) {
  TaskRun& task = job.tasks[t];
  for (const WorkerId id : task.workers) {
    Worker& worker = roster_.At(id);
    for (const Lease& lease : std::exchange(worker.held, {})) {
      if (worker.duty == Duty::kWork) job.frontier->Requeue({t, lease.block});
    }
    roster_.NoteUse(worker);
  }
  for (const auto& [block, claim] : std::exchange(task.claims, {})) {
    if (claim.result) job.frontier->Requeue({t, block});
  }
  for (const auto& [block, done] : task.unconfirmed) job.frontier->Requeue({t, block});
  while (!task.uncommitted.empty()) ApplyEnd(job, t, task.uncommitted.begin()->first);
  while (!task.uncommitted_runs.empty()) ApplyRun(job, t, task.uncommitted_runs.begin()->first);
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
