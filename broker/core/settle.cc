// Handles everything that an event touched, until nothing more can be done: hands out blocks,
// starts workers, closes tasks and jobs, and does a bounded part of the follow-up work.

#include <optional>
#include <utility>
#include <vector>

#include "broker/core/engine.h"

namespace bellis {

void Engine::Settle() {
  jobs_.Work();
  while (Job* job = jobs_.NextTouched()) SettleJob(*job);
}

void Engine::SettleJob(Job& job) {
  while (job.running()) {
    for (const TaskIndex t : job.frontier->touched()) job.Touch(t);
    job.frontier->ClearTouched();
    if (job.touched.empty()) break;
    ++job.version;
    settling_.swap(job.touched);
    job.touched.clear();
    for (const TaskIndex t : settling_) {
      job.tasks[t].touched = false;
      if (job.running()) SettleTask(job, t);
    }
  }
  jobs_.NoteWork(job);
}

void Engine::SettleTask(Job& job, TaskIndex t) {
  if (job.frontier->Done(t)) {
    endings_.CloseTask(job, t);
    // In a serial job it is another task's turn now, and no other event might start it.
    if (!job.spec.serial || !job.running()) return;
  }
  if (endings_.OutgrewItsMemory(job, t)) return;
  if (endings_.GiveUpForFailures(job, t) || endings_.GiveUpIfStuck(job, t)) return;
  if (job.spec.serial) {
    SettleSerial(job);
    if (job.running()) staffing_.ReleaseIdle(job, t);
    return;
  }
  if (endings_.GiveUpWithoutLauncher(job, t, HandsOut::kNow)) return;
  dispatcher_.HandOut(job, t);
  staffing_.ReleaseIdle(job, t);
  staffing_.LaunchWorkers(job, t);
}

/// Hands out one block at a time. While a block is leased, only its post_check may run. Otherwise
/// it is the turn of the first task in list order that has a ready block.
void Engine::SettleSerial(Job& job) {
  const bool out = job.leased() > 0;
  std::optional<TaskIndex> turn;
  for (TaskIndex t = 0; t < job.tasks.size(); ++t) {
    const bool its_turn = !out && !turn && job.counts(t).ready > 0;
    if (its_turn) turn = t;
    if (its_turn && endings_.GiveUpIfStuck(job, t)) return;
    const HandsOut hands_out = its_turn ? HandsOut::kNow : HandsOut::kNotNow;
    if (endings_.GiveUpWithoutLauncher(job, t, hands_out)) return;
  }
  if (turn) {
    dispatcher_.HandOut(job, *turn);
    staffing_.LaunchWorkers(job, *turn);
    return;
  }
  for (TaskIndex t = 0; t < job.tasks.size(); ++t) {
    if (job.counts(t).leased > 0) {
      dispatcher_.DispatchPostChecks(job, t);
      staffing_.LaunchPool(job, t, Duty::kPostCheck);
    }
    // The job cannot go on before the block's end is on disk.
    if (!job.tasks[t].uncommitted.empty() || !job.tasks[t].uncommitted_runs.empty()) {
      turn_.NoteStarving();
    }
  }
}

}  // namespace bellis
