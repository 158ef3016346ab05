// Checkers: processes that look at blocks before workers get them, and after workers have done them
// (SEMANTICS "Checks"). To the broker, checkers are workers of another duty; only their answers
// mean something else.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/core/dispatch.h"
#include "broker/schedule/mutation.h"

namespace bellis {

namespace {

/// How many blocks are checked before workers ask for them, beside some for each worker.
constexpr size_t kCheckAhead = 64;

constexpr size_t kCheckAheadPerWorker = 4;

}  // namespace

/// Hands completed blocks to post-checkers.
void Dispatcher::DispatchPostChecks(Job& job, TaskIndex t) {
  TaskRun& task = job.tasks[t];
  Pool& confirmers = task.pool(Duty::kPostCheck);
  while (!task.to_confirm.empty() && durable_.HasLeaseIds()) {
    const BlockIndex block = task.to_confirm.front();
    Worker* confirmer = FirstParkedFor(task, confirmers, block);
    if (confirmer == nullptr) break;
    task.to_confirm.pop_front();
    Grant(job, t, *confirmer, block);
    roster_.ServeFirst(confirmers, *confirmer);
  }
}

/// Hands ready blocks to checkers, and completed ones to post-checkers.
void Dispatcher::DispatchChecks(Job& job, TaskIndex t) {
  DispatchPostChecks(job, t);
  TaskRun& task = job.tasks[t];
  if (!job.spec.tasks[t].check || !durable_.HasLeaseIds()) return;
  if (!TaskHandsOutNothingBecause(job, t).empty()) return;
  Pool& checkers = task.pool(Duty::kCheck);
  const size_t ahead =
      job.spec.serial ? 1 : kCheckAhead + kCheckAheadPerWorker * task.pool(Duty::kWork).live;
  while (task.cleared.size() + task.checking < ahead) {
    Worker* checker = roster_.FirstParked(checkers);
    if (checker == nullptr) return;
    const auto block = job.frontier->Pop(t);
    if (!block) return;
    ++task.checking;
    Grant(job, t, *checker, *block);
    roster_.ServeFirst(checkers, *checker);
  }
}

/// Whether the worker's process works on a block that is set apart. Such a process gets nothing
/// else.
bool Dispatcher::WorksApart(const TaskRun& task, const Worker& worker) const {
  const auto& apart = task.apart_for(worker.duty);
  if (apart.empty()) return false;
  const auto does = [&](const Worker& its) {
    return std::any_of(its.held.begin(), its.held.end(),
                       [&](const Lease& lease) { return apart.contains(lease.block); });
  };
  const Worker& place = roster_.PlaceOf(worker);
  return does(place) || std::any_of(place.further.begin(), place.further.end(),
                                    [&](WorkerId id) { return does(roster_.At(id)); });
}

/// A block that is set apart goes to a process that holds nothing.
bool Dispatcher::MayHoldNow(const TaskRun& task, const Worker& worker, BlockIndex block) const {
  if (!task.apart_for(worker.duty).contains(block)) return true;
  const Worker& place = roster_.PlaceOf(worker);
  return place.held.empty() &&
         std::all_of(place.further.begin(), place.further.end(),
                     [&](WorkerId id) { return roster_.At(id).held.empty(); });
}

/// Finds the worker that has waited longest among those that may have the block beside what they
/// hold, and moves it to the front of the queue. nullptr: there is none.
Worker* Dispatcher::FirstParkedFor(const TaskRun& task, Pool& pool, BlockIndex block) {
  for (size_t i = 0; i <= pool.parked.size(); ++i) {
    Worker* worker = roster_.FirstParked(pool);
    if (worker == nullptr) return nullptr;
    if (!WorksApart(task, *worker) && MayHoldNow(task, *worker, block)) return worker;
    pool.parked.pop_front();
    pool.parked.push_back(worker->id);
  }
  return nullptr;
}

}  // namespace bellis
