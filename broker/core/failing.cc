// Tasks whose blocks fail: such a task is given up after max_failures, and slowed after many
// failures in a row.

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "broker/core/results.h"
#include "broker/schedule/mutation.h"

namespace bellis {

/// An attempt at a block of the task has failed; `which` names the block, its worker and the cause.
void Results::CountFailure(Job& job, TaskIndex t, std::string which) {
  TaskRun& task = job.tasks[t];
  ++task.failures_total;
  ++task.failures_counted;
  ++task.failures_in_a_row;
  task.last_failure = std::move(which);
  jobs_.Touch(job, t);
  if (task.failures_in_a_row < options_.failures_till_slow || !task.slowed.empty()) return;
  task.next_block_at = turn_.now() + options_.slow_interval;
  task.slowed = fmt::format(
      "is slowed: {} attempts have failed and no block was completed since: until one is, {:g} a "
      "second are handed out (max_failures ends such a task); the last: {}",
      task.failures_in_a_row, 1 / options_.slow_interval.seconds(), task.last_failure);
  turn_.Log(LogLevel::kWarning,
            fmt::format("job {}: task {} {}", job.id, job.spec.tasks[t].task_id, task.slowed));
}

/// A block of the task is completed.
void Results::EndFailureRow(Job& job, TaskIndex t) {
  TaskRun& task = job.tasks[t];
  task.failures_in_a_row = 0;
  if (std::exchange(task.slowed, "").empty()) return;
  turn_.Log(
      LogLevel::kInfo,
      fmt::format("job {}: task {}: a block is completed: its blocks are handed out as before",
                  job.id, job.spec.tasks[t].task_id));
}

/// The worker has completed a block, so its group's count of crashes starts again. A group that was
/// given up for its crashes may start workers again.
void Results::Succeeded(const Worker& worker) {
  if (!worker.launched()) return;
  GroupRun& group = Roster::GroupOf(worker);
  group.crashes = 0;
  if (group.error.empty()) return;
  group.error.clear();
  worker.job->Touch(worker.task);
}

void Results::CountCompletedTries(Worker& worker, uint64_t blocks) {
  worker.tries += blocks;
  worker.job->tasks[worker.task].tries += blocks;
  worker.failures_in_a_row = 0;
}

void Results::CountFailedTry(Worker& worker) {
  TaskRun& task = worker.job->tasks[worker.task];
  ++worker.tries;
  ++task.tries;
  ++worker.failures_in_a_row;
  ++worker.failures;
  ++task.tries_failed;
}

/// Whether the worker has failed many blocks in a row, and the task's blocks are not to blame: if
/// this worker failed as often as the other workers, the chance of so many failures would be below
/// one in a thousand.
bool Results::FailsMoreThanOthers(const Worker& worker) const {
  constexpr uint64_t kTriesThatTell = 8;
  constexpr double kChance = 1e-3;
  if (worker.failures_in_a_row <= options_.worker_failures_max) return false;
  const TaskRun& task = worker.job->tasks[worker.task];
  const uint64_t others = task.tries - worker.tries;
  if (others < kTriesThatTell) return true;
  const auto failed = static_cast<double>(task.tries_failed - worker.failures);
  return std::pow(failed / static_cast<double>(others), worker.failures_in_a_row) < kChance;
}

}  // namespace bellis
