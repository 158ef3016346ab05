// What workers take of the machine, so that tasks that compete never have more than there is.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/core/broker_core.h"

namespace bellis {
namespace {

/// Between two looks of a task that gets no resources for workers of others that have no work.
constexpr Duration kLookForIdle = Duration::Seconds(1);

}  // namespace

/// Whether a worker of each task could be started if nothing else ran.
Status BrokerCore::FitsTheBudget(const JobSpec& spec) const {
  if (options_.resources.empty()) return OkStatus();
  for (const TaskSpec& task : spec.tasks) {
    for (const auto& [name, amount] : task.required) {
      const auto found = options_.resources.find(name);
      const uint64_t there = found == options_.resources.end() ? 0 : found->second;
      if (amount <= there || task.workers.empty()) continue;
      return Error{ErrorCode::kInvalidSpec,
                   fmt::format("task \"{}\": requires.{} is {}; this broker has {}", task.task_id,
                               name, amount, there)};
    }
  }
  return OkStatus();
}

/// The first resource that lacks for one more worker of the task; empty: none does.
std::string BrokerCore::Lacking(const TaskSpec& spec) const {
  if (options_.resources.empty()) return "";
  for (const auto& [name, amount] : spec.required) {
    const auto used = resources_used_.find(name);
    const uint64_t taken = used == resources_used_.end() ? 0 : used->second;
    const auto there = options_.resources.find(name);
    if (there == options_.resources.end() || taken + amount > there->second) return name;
  }
  return "";
}

void BrokerCore::TakeResources(Worker& worker) {
  if (options_.resources.empty() || worker.duty != Duty::kWork) return;
  worker.resources = worker.job->spec.tasks[worker.task].required;
  for (const auto& [name, amount] : worker.resources) resources_used_[name] += amount;
}

/// Its process is gone. Whoever waits for resources may try again.
void BrokerCore::GiveResourcesBack(Worker& worker) {
  if (worker.resources.empty()) return;
  for (const auto& [name, amount] : std::exchange(worker.resources, {})) {
    resources_used_[name] -= amount;
  }
  for (const auto& [number, t] : std::exchange(without_resources_, {})) {
    const auto job = jobs_.find(number);
    if (job == jobs_.end() || !job->second->running()) continue;
    job->second->Touch(t);
    Queue(*job->second);
  }
}

/// A task has blocks, and gets no worker for want of `resource`. Workers of other tasks that have
/// had nothing to do for a while make room, one at a time. Cost: linear in the workers, at most
/// once a second for a task.
void BrokerCore::AwaitResources(Job& job, TaskIndex t, const std::string& resource) {
  without_resources_.insert({job.number, t});
  Pool& pool = job.tasks[t].pool(Duty::kWork);
  if (now_ < pool.look_for_idle_at) return SetTimer(job, t, pool.look_for_idle_at);
  pool.look_for_idle_at = now_ + kLookForIdle;
  SetTimer(job, t, pool.look_for_idle_at);
  for (auto& [id, worker] : workers_) {
    const auto has = worker.resources.find(resource);
    if (has == worker.resources.end() || has->second == 0) continue;
    if (worker.leaving) return;  // one is on its way out
  }
  for (auto& [id, worker] : workers_) {
    const auto has = worker.resources.find(resource);
    if (has == worker.resources.end() || has->second == 0 || !worker.parked) continue;
    const bool other = worker.job != &job || worker.task != t;
    const bool idle = worker.held.empty() && now_ >= worker.parked_since + kLookForIdle &&
                      worker.job->running() && worker.job->counts(worker.task).ready == 0;
    if (other && idle) return Drain(worker, "its resources are needed by another task");
  }
}

}  // namespace bellis
