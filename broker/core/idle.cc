// Workers that wait for a block, and those of them that a task with `release_idle` lets go.
//
// A task that has fewer blocks left than workers cannot keep all of them busy again, unless failed
// blocks are opened anew. Of a task with `release_idle` those that are too many leave, so that what
// they hold (a GPU, say) is free while the last blocks run:
//
//     workers that wait for a block, or hold one  >  pending + ready + leased blocks
//
// Blocks that are out count, as they may come back: so for each of them a worker is there, and the
// last worker stays until the task is done. Only who holds nothing leaves. Its place is free, and
// is filled again when there are more blocks than workers.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/core/broker_core.h"
#include "broker/schedule/mutation.h"

namespace bellis {

/// To be called when `worker` may have begun or ceased to wait for a block, or to hold one. All
/// connections of a place are one. Cost: O(log workers).
void BrokerCore::NoteUse(Worker& worker) {
  const bool live = worker.live();
  const bool holds = !worker.held.empty();
  SetUse(worker, {live && worker.parked, live && holds, !live && holds});
}

void BrokerCore::SetUse(Worker& worker, const Use& use) {
  Worker& place = PlaceOf(worker);
  Pool& pool = PoolOf(worker);
  Use& all = place.use_of_all;
  if (all.engaged()) --pool.engaged;
  all.wait += use.wait - worker.use.wait;
  all.hold += use.hold - worker.use.hold;
  all.hold_away += use.hold_away - worker.use.hold_away;
  worker.use = use;
  if (all.engaged()) ++pool.engaged;
  if (all.idle() && worker.job->spec.tasks[worker.task].release_idle) {
    pool.idle.insert(place.id);
  } else if (!pool.idle.empty()) {
    pool.idle.erase(place.id);
  }
}

/// Whether a process could be started, or come by itself, in the place of one that leaves.
bool BrokerCore::MayBeReplaced(const Job& job, TaskIndex t, Duty duty) const {
  if (duty == Duty::kWork && job.spec.tasks[t].external_workers) return true;
  const auto& groups = job.tasks[t].pool(duty).groups;
  const bool launched = std::any_of(groups.begin(), groups.end(),
                                    [](const GroupRun& group) { return group.error.empty(); });
  return launched && std::any_of(launchers_.begin(), launchers_.end(),
                                 [](const auto& launcher) { return launcher.second.peer.set(); });
}

/// Idle workers that are more than the task has blocks left are told to leave, the newest first.
void BrokerCore::ReleaseIdle(Job& job, TaskIndex t) {
  TaskRun& task = job.tasks[t];
  if (!job.spec.tasks[t].release_idle || task.closed || task.recovering > 0) return;
  const uint64_t left = job.counts(t).unfinished() - (Mutated(Mutation::kLastIdleLeaves) ? 1 : 0);
  for (const Duty duty : kAllDuties) {
    Pool& pool = task.pool(duty);
    if (pool.engaged <= left || pool.idle.empty() || !MayBeReplaced(job, t, duty)) continue;
    while (pool.engaged > left && !pool.idle.empty()) {
      Worker& worker = *Find(*pool.idle.rbegin());
      turn_.Log(LogLevel::kInfo,
                fmt::format("worker {} of task {} is let go: {} workers, and {} block{} left",
                            worker.id.value, job.spec.tasks[t].task_id, pool.engaged, left,
                            left == 1 ? "" : "s"));
      worker.dismissed = true;
      constexpr const char* kReason = "the task has fewer blocks left than workers";
      for (const WorkerId id : worker.further) Leave(*Find(id), kReason, false);
      Leave(worker, kReason, false);
    }
  }
}

/// Whether those that wait or hold something, and those that are about to, are enough for all that
/// is left: then no other is started.
bool BrokerCore::HasEnoughForTheRest(const Job& job, TaskIndex t, Duty duty) {
  const Pool& pool = job.tasks[t].pool(duty);
  return job.spec.tasks[t].release_idle &&
         pool.engaged + pool.starting >= job.counts(t).unfinished();
}

}  // namespace bellis
