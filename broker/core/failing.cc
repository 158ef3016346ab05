// Tasks whose blocks fail: given up after max_failures, slowed after many without a success.

#include <fmt/format.h>

#include <utility>

#include "broker/core/broker_core.h"

namespace bellis {

/// An attempt at one of its blocks has failed; `which` names the block, its worker and the cause.
void BrokerCore::CountFailure(Job& job, TaskIndex t, std::string which) {
  TaskRun& task = job.tasks[t];
  ++task.failures_total;
  ++task.failures_counted;
  ++task.failures_in_a_row;
  task.last_failure = std::move(which);
  job.Touch(t);
  jobs_.Queue(job);
  if (task.failures_in_a_row < options_.failures_till_slow || !task.slowed.empty()) return;
  task.next_block_at = turn_.now() + options_.slow_interval;
  task.slowed = fmt::format(
      "is slowed: {} attempts have failed and no block was completed since: until one is, {:g} a "
      "second are handed out (max_failures ends such a task); the last: {}",
      task.failures_in_a_row, 1 / options_.slow_interval.seconds(), task.last_failure);
  turn_.Log(LogLevel::kWarning,
            fmt::format("job {}: task {} {}", job.id, job.spec.tasks[t].task_id, task.slowed));
}

/// One of its blocks is completed.
void BrokerCore::NoMoreInARow(Job& job, TaskIndex t) {
  TaskRun& task = job.tasks[t];
  task.failures_in_a_row = 0;
  if (std::exchange(task.slowed, "").empty()) return;
  turn_.Log(
      LogLevel::kInfo,
      fmt::format("job {}: task {}: a block is completed: its blocks are handed out as before",
                  job.id, job.spec.tasks[t].task_id));
}

/// Why the task is to be given up; empty when it is not.
std::string BrokerCore::TooManyFailures(const Job& job, TaskIndex t) {
  const TaskRun& task = job.tasks[t];
  const auto& limit = job.spec.tasks[t].max_failures;
  if (!limit || task.failures_counted <= *limit) return "";
  return fmt::format("max_failures is {}, and {} attempts have failed{}{}", *limit,
                     task.failures_counted,
                     task.last_failure.empty() ? "" : "; the last: ", task.last_failure);
}

/// To be asked before anything is handed out or started.
bool BrokerCore::GiveUpForFailures(Job& job, TaskIndex t) {
  if (job.tasks[t].closed || !job.tasks[t].error.empty()) return false;
  const std::string over = TooManyFailures(job, t);
  if (over.empty()) return false;
  AbandonTask(job, t, over);
  return true;
}

/// Whether a block of the task may be handed out now; else a timer is set for when one may.
bool BrokerCore::IsTimeForOne(Job& job, TaskIndex t) {
  const TaskRun& task = job.tasks[t];
  if (task.slowed.empty() || turn_.now() >= task.next_block_at) return true;
  SetTimer(job, t, task.next_block_at);
  return false;
}

}  // namespace bellis
