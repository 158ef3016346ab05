// Blocks and leases: acquire, release, retry, dispatch, timeout, the end of tasks.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "broker/core/broker_core.h"
#include "broker/schedule/mutation.h"
#include "common/check.h"
#include "common/protocol/wire_text.h"
#include "common/text/headline.h"

namespace bellis {
namespace {

constexpr size_t kFailuresKept = 100;
constexpr size_t kFailureTextMax = 2048;
/// Retries that wait for another worker, looked at per request.
constexpr size_t kHeldBackScan = 64;

}  // namespace

void BrokerCore::OnRelease(Worker& worker, const ReleaseMsg& release) {
  for (const BlockResult& result : release.results) ReleaseOne(worker, result);
  if (release.want > 0) AddWant(worker, release.want);
}

void BrokerCore::AddWant(Worker& worker, uint32_t want) {
  if (worker.leaving) return;
  if (want + worker.want + worker.held.size() > kWantMax) {
    return turn_.Refuse(
        worker.peer, ErrorCode::kLimit,
        fmt::format("want is {}, with {} wanted and {} held before; at most {} together", want,
                    worker.want, worker.held.size(), kWantMax));
  }
  worker.want += want;
  if (worker.want > 0 && worker.recorded) Park(worker);
}

/// It can do with a block: one more of the task's min_workers.
void BrokerCore::Asked(Worker& worker) {
  if (!std::exchange(PlaceOf(worker).asked, true)) ++PoolOf(worker).asked;
}

/// What it wants waits in its task's queue.
void BrokerCore::Park(Worker& worker) {
  PoolOf(worker).idle_since = Instant::Never();
  Asked(worker);
  if (!std::exchange(worker.parked, true)) {
    worker.parked_since = turn_.now();
    PoolOf(worker).parked.push_back(worker.id);
  }
  NoteUse(worker);
  worker.job->Touch(worker.task);
  jobs_.Queue(*worker.job);
}

void BrokerCore::ReleaseOne(Worker& worker, const BlockResult& result) {
  const auto held = std::find_if(worker.held.begin(), worker.held.end(),
                                 [&](const Lease& lease) { return lease.id == result.lease; });
  const bool lost = !worker.loss_reason.empty() && !Mutated(Mutation::kStaleLease);
  if (held == worker.held.end() || lost) {
    Acknowledge(worker, result.lease, /*dropped=*/true);
    turn_.Log(LogLevel::kInfo,
              fmt::format("worker {} released lease {}, which it does not hold any more: ignored",
                          worker.id.value, result.lease.value));
    return;
  }
  const Lease lease = *held;
  const bool first = held == worker.held.begin();
  worker.held.erase(held);
  NoteUse(worker);
  Job& job = *worker.job;
  jobs_.Queue(job);
  if (auto& apart = job.tasks[worker.task].apart_for(worker.duty); !apart.empty()) {
    if (result.outcome != BlockOutcome::kReturned) apart.erase(lease.block);
    job.Touch(worker.task);  // blocks may have waited for it to have nothing in hand
  }
  if (result.outcome == BlockOutcome::kReturned) {
    GiveBack(worker, lease);
    Acknowledge(worker, lease.id);
  } else if (worker.duty != Duty::kWork) {
    Checked(worker, lease, result.outcome == BlockOutcome::kCompleted, result.error);
  } else {
    const double ms = std::max(0.0, (turn_.now() - (first ? lease.start : turn_.now())).millis());
    const Claim done{worker.id, worker.session, worker.language_slot, lease, ms, result};
    std::map<BlockIndex, Claim>& claims = job.tasks[worker.task].claims;
    const auto claim = claims.find(lease.block);
    if (claim != claims.end() && claim->second.lease.id == lease.id) {
      claim->second = done;
    } else {
      Settle(job, worker.task, done);
    }
  }
  if (first && !Mutated(Mutation::kTimeoutOnce)) StartBlock(worker);
  Worker& place = PlaceOf(worker);
  if (place.launched && !place.leaving && FailsMoreThanOthers(place)) {
    Drain(place, fmt::format("failed {} blocks in a row; its place is taken by a new worker",
                             place.failures_in_a_row));
  }
}

/// A result of a worker counts.
void BrokerCore::Settle(Job& job, TaskIndex t, const Claim& done) {
  TaskRun& task = job.tasks[t];
  const Lease& lease = done.lease;
  if (done.result->outcome != BlockOutcome::kCompleted) {
    if (Worker* worker = Find(done.worker)) CountTry(PlaceOf(*worker), /*failed=*/true);
    const std::string& error = done.result->error;
    FailAttempt(job, t, lease, done.worker, error.empty() ? "no reason given" : error);
    return WhenDurable(AttemptIsDurable{done.worker, done.session, lease.id});
  }
  task.pool(Duty::kWork).progress = true;
  if (const Worker* worker = Find(done.worker)) Succeeded(PlaceOf(*worker));
  if (!job.spec.tasks[t].post_check || Mutated(Mutation::kUnconfirmed)) {
    return Completed(job, t, lease, done.worker, done.language_slot, done.ms);
  }
  task.unconfirmed[lease.block] = {lease.attempt, done.worker,        done.session,
                                   lease.id,      done.language_slot, done.ms};
  task.to_confirm.push_back(lease.block);
  job.Touch(t);
}

void BrokerCore::Completed(Job& job, TaskIndex t, const Lease& lease, WorkerId worker,
                           size_t language_slot, double ms) {
  TaskRun& task = job.tasks[t];
  NoMoreInARow(job, t);
  if (Worker* doer = Find(worker)) CountTry(PlaceOf(*doer), /*failed=*/false);
  LanguageRun& language = task.languages[language_slot];
  ++language.blocks;
  language.ms_total += ms;
  task.ForgetTries(lease.block);
  BlockIsDone(job, t, lease, worker, /*skipped=*/false, language.language, ms);
}

/// A lease that is no longer in `held` ended in failure: the block is retried, or has failed.
void BrokerCore::FailAttempt(Job& job, TaskIndex t, const Lease& lease, WorkerId worker,
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
    return BlockHasFailed(job, t, lease.block);
  }
  attempts.workers.push_back(worker);
  attempts.open_at = turn_.now() + options_.other_worker_wait;
  turn_.Wake({attempts.open_at, TimerKind::kTask, job.number.value, t});
  if (!Mutated(Mutation::kRetryLost)) job.frontier->Requeue(block);
}

/// A lease ended with nothing done: the block is as it was before.
void BrokerCore::GiveBack(Worker& worker, const Lease& lease) {
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

/// Blocks that were leased in vain go back as they were.
void BrokerCore::ReturnUndelivered(const PeerGone& gone) {
  const auto known = peers_.find(gone.peer);
  if (known == peers_.end() || known->second.worker == nullptr) return;
  Worker& worker = *known->second.worker;
  for (const LeaseId id : gone.undelivered) {
    const auto held = std::find_if(worker.held.begin(), worker.held.end(),
                                   [id](const Lease& lease) { return lease.id == id; });
    if (held == worker.held.end() || Mutated(Mutation::kUndeliveredKept)) continue;
    GiveBack(worker, *held);
    worker.held.erase(held);
    NoteUse(worker);
    jobs_.Queue(*worker.job);
  }
}

/// Whether the task may start: min_workers have asked for a block, or were waited for long enough.
/// Being connected is not enough: by the time that the last of them asks, the others could have
/// done all there is.
bool BrokerCore::EnoughWorkers(Job& job, TaskIndex t) {
  TaskRun& task = job.tasks[t];
  if (task.open) return true;
  const TaskSpec& spec = job.spec.tasks[t];
  const Pool& pool = task.pool(Duty::kWork);
  uint64_t needed = std::min<uint64_t>(spec.min_workers, job.counts(t).unfinished());
  if (job.spec.serial) needed = 0;
  // Those of groups that are given up will not come.
  const uint64_t visitors = pool.slots.taken() - Active(pool);
  if (!spec.external_workers) {
    needed = std::min(needed, Permitted(job, t, Duty::kWork) + visitors);
  }
  if (task.open_at == Instant::Never() && !pool.parked.empty()) {
    task.open_at = turn_.now() + options_.min_workers_wait;
    if (needed > 0) turn_.Wake({task.open_at, TimerKind::kTask, job.number.value, t});
  }
  task.open = pool.asked >= needed || turn_.now() >= task.open_at;
  return task.open;
}

/// The worker whose request has waited longest; it stays first. nullptr when none waits.
Worker* BrokerCore::FirstParked(Pool& pool) {
  while (!pool.parked.empty()) {
    Worker* worker = Find(pool.parked.front());
    if (worker != nullptr && worker->parked) return worker;
    pool.parked.pop_front();
  }
  return nullptr;
}

/// The first of the parked workers was given a block; what else it wants waits its turn.
void BrokerCore::TookOne(Pool& pool, Worker& worker) {
  pool.parked.pop_front();
  if (--worker.want > 0) {
    pool.parked.push_back(worker.id);
  } else {
    worker.parked = false;
  }
  NoteUse(worker);
}

void BrokerCore::Dispatch(Job& job, TaskIndex t) {
  TaskRun& task = job.tasks[t];
  Pool& pool = task.pool(Duty::kWork);
  DispatchChecks(job, t);
  if (!EnoughWorkers(job, t) || !TaskHandsOutNothingBecause(job, t).empty()) return;
  size_t passed_over = 0;
  while (job.counts(t).ready > 0 && passed_over < pool.parked.size()) {
    Worker* worker = FirstParked(pool);
    if (worker == nullptr || !durable_.NothingIsLeasedBecause().empty() || !IsTimeForOne(job, t))
      break;
    const bool busy = WorksApart(task, *worker);
    const auto block = busy ? std::nullopt : NextBlockFor(job, t, *worker);
    if (block) {
      Grant(job, t, *worker, *block);
      TookOne(pool, *worker);
      if (!task.slowed.empty()) task.next_block_at = turn_.now() + options_.slow_interval;
      if (job.spec.serial) return;
      continue;
    }
    // What is ready is being checked, or stands aside.
    if (!busy && task.held_back.empty()) break;
    // All that is ready are blocks that this worker is to leave to others, or may not have yet.
    pool.parked.pop_front();
    pool.parked.push_back(worker->id);
    ++passed_over;
  }
  if (FirstParked(pool) != nullptr) turn_.NoteStarving();
}

std::optional<BlockIndex> BrokerCore::NextBlockFor(Job& job, TaskIndex t, const Worker& worker) {
  TaskRun& task = job.tasks[t];
  const size_t scan = std::min(task.held_back.size(), kHeldBackScan);
  for (size_t i = 0; i < scan; ++i) {
    const BlockIndex block = task.held_back[i];
    if (!MayHave(task, block, worker) || !job.frontier->MayLease({t, block})) continue;
    if (!MayHoldNow(task, worker, block)) return std::nullopt;  // soon it may
    task.held_back.erase(task.held_back.begin() + static_cast<ptrdiff_t>(i));
    return block;
  }
  const bool checked = job.spec.tasks[t].check.has_value();
  while (true) {
    std::optional<BlockIndex> block;
    if (!checked) {
      block = job.frontier->Pop(t);
    } else if (!task.cleared.empty()) {
      block = task.cleared.front();
      task.cleared.pop_front();
    }
    if (!block) return std::nullopt;
    const bool now = MayHoldNow(task, worker, *block);
    if (now && MayHave(task, *block, worker) && job.frontier->MayLease({t, *block})) {
      return block;
    }
    task.held_back.push_back(*block);
    if (!now) return std::nullopt;  // soon it may
  }
}

/// A retry goes to a worker that has not failed it, while there is one, for a bounded time.
bool BrokerCore::MayHave(const TaskRun& task, BlockIndex block, const Worker& worker) const {
  if (task.attempts.empty() || Mutated(Mutation::kRetryToAnybody)) return true;
  const auto it = task.attempts.find(block);
  if (it == task.attempts.end() || turn_.now() >= it->second.open_at) return true;
  const auto& failed = it->second.workers;
  if (std::find(failed.begin(), failed.end(), worker.id) == failed.end()) return true;
  uint64_t live_failed = 0;
  for (size_t i = 0; i < failed.size(); ++i) {
    if (std::find(failed.begin(), failed.begin() + static_cast<ptrdiff_t>(i), failed[i]) !=
        failed.begin() + static_cast<ptrdiff_t>(i)) {
      continue;  // counted already
    }
    const auto other = workers_.find(failed[i]);
    if (other != workers_.end() && other->second.live()) ++live_failed;
  }
  return task.pool(Duty::kWork).live <= live_failed;
}

void BrokerCore::Grant(Job& job, TaskIndex t, Worker& worker, BlockIndex block) {
  const BlockGrid& grid = job.graph->grid(t);
  const GridPoint k = grid.PointOf(block);
  uint32_t attempt = 1;
  if (!job.tasks[t].attempts.empty()) {
    const auto it = job.tasks[t].attempts.find(block);
    if (it != job.tasks[t].attempts.end()) attempt = it->second.failed + 1;
  }
  if (worker.duty == Duty::kWork) job.frontier->Lease({t, block});
  const LeaseId lease = Mutated(Mutation::kLeaseIdAgain) && block % 2 != 0 ? durable_.last_lease()
                                                                           : durable_.NextLease();
  worker.held.push_back({lease, block, attempt, turn_.now()});
  NoteUse(worker);
  if (worker.held.size() == 1) StartBlock(worker);
  if (worker.work_step != turn_.step()) {
    worker.work_step = turn_.step();
    worker.work_slot = turn_.out().sends.size();
    turn_.Send(worker.peer, WorkMsg{});
  }
  auto& work = std::get<WorkMsg>(turn_.out().sends[worker.work_slot].message);
  work.blocks.push_back({lease, block, grid.IdOf(k), grid.ReadRoi(k), grid.WriteRoi(k), attempt});
}

/// The first of the worker's leases is what it works on from now on.
void BrokerCore::StartBlock(Worker& worker) {
  if (worker.held.empty()) return;
  worker.held.front().start = turn_.now();
  const Duration timeout = worker.job->spec.tasks[worker.task].timeout;
  if (timeout.ns <= 0) return;
  worker.block_deadline = turn_.now() + timeout;
  if (std::exchange(worker.timeout_armed, true)) return;
  turn_.Wake({worker.block_deadline, TimerKind::kBlockTimeout, worker.id.value});
}

void BrokerCore::AbandonTask(Job& job, TaskIndex t, const std::string& error) {
  TaskRun& task = job.tasks[t];
  task.error = error;
  turn_.Log(LogLevel::kError,
            fmt::format("job {}: task {} is given up: {}", job.id, job.spec.tasks[t].task_id,
                        error.substr(0, error.find('\n'))));
  TakeBackAll(job, t);
  for (const WorkerId id : task.workers) Leave(*Find(id), "the task is given up", true);
  job.frontier->Abandon(t);
  jobs_.Queue(job);
}

void BrokerCore::CloseTask(Job& job, TaskIndex t) {
  TaskRun& task = job.tasks[t];
  if (std::exchange(task.closed, true)) return;
  for (const WorkerId id : task.workers) Leave(*Find(id), "the task is done", false);
  if (--job.open_tasks > 0) return;
  bool completed = true;
  std::string reason;
  for (TaskIndex i = 0; i < job.tasks.size(); ++i) {
    const BlockCounts& counts = job.counts(i);
    completed &= counts.failed == 0 && counts.orphaned == 0;
    if (reason.empty() && !job.tasks[i].error.empty()) {
      reason = fmt::format("task \"{}\" was given up", job.spec.tasks[i].task_id);
    }
  }
  if (completed) return EndJob(job, JobState::kCompleted, "");
  EndJob(job, JobState::kFailed, reason.empty() ? "some blocks failed" : reason);
}

}  // namespace bellis
