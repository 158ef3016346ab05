// When a task is given up: nobody could ever do its blocks, or too many attempts have failed.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/core/dispatch.h"
#include "broker/core/endings.h"
#include "broker/core/pool_sizes.h"
#include "broker/schedule/mutation.h"

namespace bellis {

bool Endings::GiveUpIfStuck(Job& job, TaskIndex t) {
  if (job.tasks[t].closed || job.spec.tasks[t].paused) return false;
  for (const Duty duty : DutiesOf(job.spec.tasks[t])) {
    // A ready block will need its post_check later.
    const bool later = duty == Duty::kPostCheck && job.spec.tasks[t].post_check.has_value() &&
                       job.counts(t).ready > 0;
    if (!Needed(job, t, duty) && !later) continue;
    if (Permitted(job, t, duty) > 0 || StartAgain(job, t, duty)) continue;
    if (!Deserted(job, t, duty)) continue;
    AbandonTask(job, t, StuckBecause(job, t, duty));
    return true;
  }
  return false;
}

/// When all launched workers have left and nobody goes on, those that left with code 0 are started
/// again. This is done only if a block was completed since the last time, so that it cannot go on
/// for ever.
bool Endings::StartAgain(Job& job, TaskIndex t, Duty duty) {
  Pool& pool = job.tasks[t].pool(duty);
  if (!pool.progress || (pool.live > 0 && !Deserted(job, t, duty))) return false;
  uint64_t again = 0;
  for (GroupRun& group : pool.groups) {
    const uint64_t left = std::exchange(group.retired, 0);
    if (group.error.empty()) again += left;
  }
  if (again == 0) return false;
  pool.progress = false;
  job.tasks[t].restarts += std::min(again, job.counts(t).unfinished());
  turn_.Log(LogLevel::kInfo,
            fmt::format("the {} of task {} have left with blocks open: started again",
                        duty == Duty::kWork ? "workers" : "checkers", job.spec.tasks[t].task_id));
  return true;
}

/// Why no process of that duty is started, group by group.
std::string Endings::StuckBecause(const Job& job, TaskIndex t, Duty duty) {
  std::string because;
  uint64_t retired = 0;
  bool greeted = false;
  for (const GroupRun& group : job.tasks[t].pool(duty).groups) {
    retired += group.retired;
    greeted |= group.greeted;
    if (group.error.empty()) continue;
    because += (because.empty() ? "" : "\n") + group.error;
  }
  if (retired == 0 && !because.empty()) return because;
  return fmt::format("its {} ({}) exited with code 0 while {} blocks were left{}{}{}",
                     duty == Duty::kWork ? "workers" : "checkers", retired,
                     job.counts(t).unfinished(),
                     greeted ? ""
                             : "; none of them had connected (a command that starts a worker "
                               "elsewhere has to wait for its end)",
                     because.empty() ? "" : "; ", because);
}

/// Whether no worker of that duty does anything, or can be expected to. External workers that are
/// connected, but neither hold nor want a block, may be about to ask: they have idle_wait for that.
/// (An external worker may also have vanished silently: nothing is sent to it, so the broker would
/// not notice.)
bool Endings::Deserted(Job& job, TaskIndex t, Duty duty) {
  Pool& pool = job.tasks[t].pool(duty);
  if (job.spec.tasks[t].external_workers) return false;
  if (Active(pool) > 0 || Engaged(job, t, duty)) {
    pool.idle_since = Instant::Never();
    return false;
  }
  if (pool.slots.taken() == 0) return true;
  if (pool.idle_since == Instant::Never()) pool.idle_since = turn_.now();
  const Instant limit = pool.idle_since + options_.idle_wait;
  if (turn_.now() < limit) LookAgain(turn_, job, t, limit);
  return turn_.now() >= limit;
}

/// Whether a worker of that duty holds a block, may hold one, or waits for one.
bool Endings::Engaged(Job& job, TaskIndex t, Duty duty) {
  TaskRun& task = job.tasks[t];
  if (task.recovering > 0 || roster_.FirstParked(task.pool(duty)) != nullptr) return true;
  switch (duty) {
    case Duty::kWork: return job.counts(t).leased > task.unconfirmed.size();
    case Duty::kCheck: return task.checking > 0;
    case Duty::kPostCheck: return task.unconfirmed.size() > task.to_confirm.size();
  }
  return false;
}

bool Endings::GiveUpForFailures(Job& job, TaskIndex t) {
  if (job.tasks[t].closed || !job.tasks[t].error.empty()) return false;
  const std::string over = TooManyFailures(job, t);
  if (over.empty()) return false;
  AbandonTask(job, t, over);
  return true;
}

bool Endings::GiveUpWithoutLauncher(Job& job, TaskIndex t, HandsOut hands_out) {
  for (const Duty duty : DutiesOf(job.spec.tasks[t])) {
    Pool& pool = job.tasks[t].pool(duty);
    const bool may_launch = hands_out == HandsOut::kNow || duty == Duty::kPostCheck;
    if (!may_launch || !staffing_.LacksProcess(job, t, duty) || !launchers_.NoneHere()) {
      if (!Mutated(Mutation::kLauncherWaitKept)) pool.launcher_missing_since = Instant::Never();
    } else if (staffing_.AwaitLauncher(job, t, duty) && Deserted(job, t, duty)) {
      AbandonTask(job, t, "no launcher is connected to start its workers");
      return true;
    }
  }
  return false;
}

}  // namespace bellis
