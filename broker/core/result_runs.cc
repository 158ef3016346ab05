// Results that come as runs of leases: where nothing distinguishes one block of a run from the
// next, all of them are counted, recorded and completed as one.

#include <algorithm>
#include <cmath>
#include <utility>

#include "broker/core/results.h"
#include "broker/schedule/mutation.h"

namespace bellis {

void Results::TakeRun(Worker& worker, const LeaseRun& run) {
  if (MayCompleteFirst(worker, run)) return CompleteFirst(worker, run.count);
  for (uint32_t i = 0; i < run.count; ++i) {
    TakeResult(worker, {LeaseId(run.lease.value + i), BlockOutcome::kCompleted, ""});
  }
}

/// Whether the run is the first that the worker holds, of blocks that nobody else has to do with:
/// no checker, no other worker that claims them, no record of failures.
bool Results::MayCompleteFirst(const Worker& worker, const LeaseRun& run) const {
  const Job& job = *worker.job;
  const TaskRun& task = job.tasks[worker.task];
  if (worker.duty != Duty::kWork || !worker.loss_reason.empty() || !job.running()) return false;
  if (job.spec.tasks[worker.task].post_check || !task.claims.empty()) return false;
  if (!task.attempts.empty() || !task.apart_for(Duty::kWork).empty()) return false;
  if (run.count > worker.held.size()) return false;
  for (uint32_t i = 0; i < run.count; ++i) {
    if (worker.held[i].id.value != run.lease.value + i) return false;
  }
  return true;
}

/// The first `count` blocks that the worker holds are completed.
void Results::CompleteFirst(Worker& worker, uint32_t count) {
  Job& job = *worker.job;
  TaskRun& task = job.tasks[worker.task];
  const double ms = std::max(0.0, (turn_.now() - worker.held.front().start).millis());
  Worker& place = roster_.PlaceOf(worker);
  task.pool(Duty::kWork).progress = true;
  Succeeded(place);
  EndFailureRow(job, worker.task);
  CountCompletedTries(place, count);
  LanguageRun& language = task.languages[worker.language_slot];
  language.blocks += count;
  language.ms_total += ms;
  for (uint32_t from = 0; from < count;) {
    const Lease first = worker.held[from];
    uint32_t to = from + 1;
    while (to < count && worker.held[to].block == first.block + (to - from)) ++to;
    RecordRun(worker, first.id, {first.block, first.block + (to - from)}, from == 0 ? ms : 0);
    from = to;
  }
  for (uint32_t i = 0; i < count; ++i) worker.held.pop_front();
  roster_.NoteUse(worker);
  jobs_.Queue(job);
  roster_.StartBlock(worker);
}

/// As RecordCompleted and AwaitEnd for each block of the run.
void Results::RecordRun(const Worker& worker, LeaseId lease, BlockRun run, double ms) {
  Job& job = *worker.job;
  const TaskIndex t = worker.task;
  if (durable_.kept()) {
    const auto us = static_cast<uint64_t>(std::llround(ms * 1000));
    const auto blocks = static_cast<uint32_t>(run.end - run.begin);
    const std::string& language = job.tasks[t].languages[worker.language_slot].language;
    PersistDone({job.number, t, run.begin, /*skipped=*/false, language, us,
                 blocks - (Mutated(Mutation::kRunRecordShort) && blocks > 1 ? 1 : 0)});
  }
  job.Touch(t);
  if (!durable_.kept()) {
    if (job.running()) job.frontier->CompleteRun(t, run);
    return;
  }
  job.tasks[t].uncommitted_runs.Add(run.begin, run.end);
  if (Mutated(Mutation::kCommitIgnored)) ApplyRun(job, t, run.begin);
  WhenDurable(RunIsDurable{job.number, t, run, worker.id, worker.session, lease});
}

void Results::Do(const RunIsDurable& done) {
  if (Job* job = jobs_.Find(done.job)) ApplyRun(*job, done.task, done.run.begin);
  Worker* worker = roster_.Find(done.worker);
  if (worker == nullptr || worker->session != done.session) return;
  CommittedMsg* answer = AnswerTo(*worker);
  if (answer == nullptr) return;
  const auto count = static_cast<uint32_t>(done.run.end - done.run.begin);
  if (!worker->runs) {  // another hello of the same process
    for (uint32_t i = 0; i < count; ++i) answer->leases.emplace_back(done.lease.value + i);
    return;
  }
  const bool follows =
      !answer->runs.empty() &&
      answer->runs.back().lease.value + answer->runs.back().count == done.lease.value &&
      answer->runs.back().count + count <= kWantMax;
  if (follows) {
    answer->runs.back().count += count;
  } else {
    answer->runs.push_back({done.lease, count});
  }
}

/// Tells the frontier that the run of blocks that begins there is completed.
void Results::ApplyRun(Job& job, TaskIndex t, BlockIndex begin) {
  if (!job.running()) return;
  const auto end = job.tasks[t].uncommitted_runs.Take(begin);
  if (!end) return;  // its task was given up meanwhile
  job.frontier->CompleteRun(t, {begin, *end});
  jobs_.Touch(job, t);
}

}  // namespace bellis
