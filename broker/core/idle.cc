// Idle workers, which a task with `release_idle` lets go when there are too many.
//
// A task that has fewer blocks left than workers cannot keep all workers busy again, unless failed
// blocks are opened again. In a task with `release_idle` the surplus workers leave, so that their
// resources (a GPU, say) are free while the last blocks run:
//
//     workers that wait for a block, or hold one  >  pending + ready + leased blocks
//
// Leased blocks count, as they may have to be done again: so there is a worker for each of them,
// and the last worker stays until the task is done. Only a worker that holds no block leaves. Its
// place is free then, and is filled again when there are more blocks than workers.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/core/pool_sizes.h"
#include "broker/core/staffing.h"
#include "broker/schedule/mutation.h"

namespace bellis {

/// Whether the place of a worker that leaves could be filled again, by a launcher or by an external
/// worker.
bool Staffing::MayBeReplaced(const Job& job, TaskIndex t, Duty duty) const {
  if (duty == Duty::kWork && job.spec.tasks[t].external_workers) return true;
  const auto& groups = job.tasks[t].pool(duty).groups;
  const bool launched = std::any_of(groups.begin(), groups.end(),
                                    [](const GroupRun& group) { return group.error.empty(); });
  return launched && !launchers_.NoneHere();
}

/// Tells surplus idle workers to leave, the newest first: those that exceed the number of blocks
/// left.
void Staffing::ReleaseIdle(Job& job, TaskIndex t) {
  TaskRun& task = job.tasks[t];
  if (!job.spec.tasks[t].release_idle || task.closed || task.recovering > 0) return;
  const uint64_t left = job.counts(t).unfinished() - (Mutated(Mutation::kLastIdleLeaves) ? 1 : 0);
  for (const Duty duty : DutiesOf(job.spec.tasks[t])) {
    Pool& pool = task.pool(duty);
    if (pool.engaged <= left || pool.idle.empty() || !MayBeReplaced(job, t, duty)) continue;
    while (pool.engaged > left && !pool.idle.empty()) {
      Worker& worker = roster_.At(*pool.idle.rbegin());
      turn_.Log(LogLevel::kInfo,
                fmt::format("worker {} of task {} is let go: {} workers, and {} block{} left",
                            worker.id.value, job.spec.tasks[t].task_id, pool.engaged, left,
                            left == 1 ? "" : "s"));
      worker.end_counts = EndCounts::kDismissed;
      constexpr const char* kReason = "the task has fewer blocks left than workers";
      for (const WorkerId id : worker.further) orders_.Leave(roster_.At(id), kReason);
      orders_.Leave(worker, kReason);
    }
  }
}

}  // namespace bellis
