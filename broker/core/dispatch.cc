#include "broker/core/dispatch.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/core/pool_sizes.h"
#include "broker/schedule/mutation.h"

namespace bellis {
namespace {

/// How many of the retries that wait for another worker are looked at per request.
constexpr size_t kHeldBackScan = 64;

}  // namespace

void Dispatcher::AddWant(Worker& worker, uint32_t want) {
  if (worker.is_leaving()) return;
  if (want + worker.want + worker.held.size() > kWantMax) {
    return turn_.Refuse(
        worker.peer, ErrorCode::kLimit,
        fmt::format("want is {}, with {} wanted and {} held before; at most {} together", want,
                    worker.want, worker.held.size(), kWantMax));
  }
  worker.want += want;
  if (worker.want > 0 && worker.may_have_blocks()) roster_.Park(worker);
}

void Dispatcher::HandOut(Job& job, TaskIndex t) {
  TaskRun& task = job.tasks[t];
  Pool& pool = task.pool(Duty::kWork);
  DispatchChecks(job, t);
  if (!EnoughWorkers(job, t) || !TaskHandsOutNothingBecause(job, t).empty()) return;
  size_t passed_over = 0;
  while (job.counts(t).ready > 0 && passed_over < pool.parked.size()) {
    Worker* worker = roster_.FirstParked(pool);
    if (worker == nullptr || !durable_.NothingIsLeasedBecause().empty() || !IsTimeForOne(job, t))
      break;
    if (const uint32_t granted = GrantRun(job, t, *worker); granted > 0) {
      roster_.ServeFirst(pool, *worker, granted);
      continue;
    }
    const bool busy = WorksApart(task, *worker);
    const auto block = busy ? std::nullopt : NextBlockFor(job, t, *worker);
    if (block) {
      Grant(job, t, *worker, *block);
      roster_.ServeFirst(pool, *worker);
      if (!task.slowed.empty()) task.next_block_at = turn_.now() + options_.slow_interval;
      if (job.spec.serial) return job.Touch(t);  // it is another task's turn when the block ends
      continue;
    }
    // All ready blocks are being checked, or stand aside.
    if (!busy && task.held_back.empty()) break;
    // This worker should leave all ready blocks to others, or may not have them yet.
    pool.parked.pop_front();
    pool.parked.push_back(worker->id);
    ++passed_over;
  }
  if (roster_.FirstParked(pool) != nullptr) turn_.NoteStarving();
}

/// Whether the task may start: min_workers have asked for a block, or the task has waited long
/// enough for them. Being connected is not enough: before the last of them asks, the others could
/// have done all blocks.
bool Dispatcher::EnoughWorkers(Job& job, TaskIndex t) {
  TaskRun& task = job.tasks[t];
  if (task.open) return true;
  const TaskSpec& spec = job.spec.tasks[t];
  const Pool& pool = task.pool(Duty::kWork);
  uint64_t needed = std::min<uint64_t>(spec.min_workers, job.counts(t).unfinished());
  if (job.spec.serial) needed = 0;
  // Workers of groups that were given up will not come.
  const uint64_t external = pool.slots.taken() - Active(pool);
  if (!spec.external_workers) {
    needed = std::min(needed, Permitted(job, t, Duty::kWork) + external);
  }
  if (task.open_at == Instant::Never() && !pool.parked.empty()) {
    task.open_at = turn_.now() + options_.min_workers_wait;
    if (needed > 0) turn_.Wake({task.open_at, TimerKind::kTask, job.number.value, t});
  }
  task.open = pool.asked >= needed || turn_.now() >= task.open_at;
  return task.open;
}

std::optional<BlockIndex> Dispatcher::NextBlockFor(Job& job, TaskIndex t, const Worker& worker) {
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

/// For a bounded time, a retry goes only to a worker that has not failed the block, if there is
/// one.
bool Dispatcher::MayHave(const TaskRun& task, BlockIndex block, const Worker& worker) const {
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
    const Worker* other = roster_.Find(failed[i]);
    if (other != nullptr && other->live()) ++live_failed;
  }
  return task.pool(Duty::kWork).live <= live_failed;
}

void Dispatcher::Grant(Job& job, TaskIndex t, Worker& worker, BlockIndex block) {
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
  roster_.NoteUse(worker);
  if (worker.held.size() == 1) roster_.StartBlock(worker);
  WorkFor(worker).blocks.push_back(
      {lease, block, grid.IdOf(k), grid.ReadRoi(k), grid.WriteRoi(k), attempt});
}

/// Hands the worker blocks with consecutive indices, if it takes runs and nothing distinguishes
/// these blocks: its share of what is ready, where others wait too. Returns how many it got; 0: its
/// next block is to be chosen by itself.
uint32_t Dispatcher::GrantRun(Job& job, TaskIndex t, Worker& worker) {
  TaskRun& task = job.tasks[t];
  if (!worker.runs || job.spec.serial || job.spec.tasks[t].check || !task.slowed.empty()) return 0;
  if (!task.held_back.empty() || !task.attempts.empty()) return 0;
  if (!task.apart_for(Duty::kWork).empty()) return 0;
  const uint64_t share = job.counts(t).ready / task.pool(Duty::kWork).parked.size();
  const uint64_t max =
      std::min({uint64_t{worker.want}, std::max<uint64_t>(1, share), durable_.LeaseIdsLeft()});
  const BlockRun blocks = job.frontier->LeaseRun(t, max);
  const auto count = static_cast<uint32_t>(blocks.end - blocks.begin);
  if (count == 0) return 0;
  LeaseId lease = durable_.NextLeases(count);
  const bool held_none = worker.held.empty();
  for (uint32_t i = 0; i < count; ++i) {
    worker.held.push_back({LeaseId(lease.value + i), blocks.begin + i, 1, turn_.now()});
  }
  roster_.NoteUse(worker);
  if (held_none) roster_.StartBlock(worker);
  if (Mutated(Mutation::kRunLease)) ++lease.value;
  std::vector<WorkRun>& runs = WorkFor(worker).runs;
  runs.push_back({lease, blocks.begin, count + (Mutated(Mutation::kRunTooLong) ? 1 : 0)});
  return count;
}

/// The message by which this Step hands blocks to the worker.
WorkMsg& Dispatcher::WorkFor(Worker& worker) {
  if (worker.work_step != turn_.step()) {
    worker.work_step = turn_.step();
    worker.work_slot = turn_.SendWork(worker.peer);
  }
  return std::get<WorkMsg>(turn_.out().sends[worker.work_slot].message);
}

/// Whether a block of the task may be handed out now. If not, sets a timer for when one may.
bool Dispatcher::IsTimeForOne(Job& job, TaskIndex t) {
  const TaskRun& task = job.tasks[t];
  if (task.slowed.empty() || turn_.now() >= task.next_block_at) return true;
  LookAgain(turn_, job, t, task.next_block_at);
  return false;
}

std::string TooManyFailures(const Job& job, TaskIndex t) {
  const TaskRun& task = job.tasks[t];
  const auto& limit = job.spec.tasks[t].max_failures;
  if (!limit || task.failures_counted <= *limit) return "";
  return fmt::format("max_failures is {}, and {} attempts have failed{}{}", *limit,
                     task.failures_counted,
                     task.last_failure.empty() ? "" : "; the last: ", task.last_failure);
}

std::string TaskHandsOutNothingBecause(const Job& job, TaskIndex t) {
  if (job.spec.tasks[t].paused) return "the task is paused";
  if (std::string over = TooManyFailures(job, t); !over.empty()) return over;
  const uint64_t unknown = job.tasks[t].recovering;
  if (unknown == 0) return "";
  return fmt::format(
      "{} workers that the broker knew before it was started again may hold blocks, "
      "and have not said so yet",
      unknown);
}

}  // namespace bellis
