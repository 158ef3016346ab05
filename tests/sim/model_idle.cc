// How the model releases idle workers whose task still has blocks left (release_idle).

#include <fmt/format.h>

#include <algorithm>

#include "tests/sim/model.h"

namespace bellis::sim {

/// A worker is told to leave. While its task is open, this is allowed only with release_idle, and
/// only if none of the worker's connections holds a block.
void Model::NoteDismissal(WorkerId id, const Worker& worker) {
  const Job& job = jobs_[worker.job];
  const Task& task = job.tasks[worker.task];
  if (!Live(worker) || job.ended || task.given_up || task.counts.unfinished() == 0) return;
  const WorkerId place = worker.starter.set() ? worker.starter : id;
  if (workers_.at(place).stop_asked) return;  // the worker said hello too late
  if (workers_.at(place).drained) return;     // and was not connected when that was said
  const bool holds = std::any_of(workers_.begin(), workers_.end(), [&](const auto& entry) {
    const bool its = entry.first == place || entry.second.starter == place;
    return its && !entry.second.held.empty();
  });
  Require(job.spec.tasks[worker.task].release_idle && !holds,
          "while blocks are left, only idle workers of a task with release_idle are let go",
          [&] { return fmt::format("{} {}", DutyName(worker.duty), id.value); });
  dismissed_from_.emplace(worker.job, worker.task, worker.duty);
}

/// When a task with release_idle has fewer blocks left than workers, exactly the surplus workers
/// are let go, and no worker is started.
void Model::CheckIdle() const {
  for (size_t j = 0; j < jobs_.size(); ++j) {
    const Job& job = jobs_[j];
    for (size_t t = 0; t < job.tasks.size() && !job.ended; ++t) {
      const uint64_t left = job.tasks[t].counts.unfinished();
      if (!job.spec.tasks[t].release_idle || job.tasks[t].given_up || left == 0) continue;
      for (const Duty duty : kAllDuties) {
        const uint64_t asking = AskingWorkers(j, t, duty);
        const auto what = [&] {
          return fmt::format("{}/{}: {} blocks are left for {} that {}", job.id,
                             job.spec.tasks[t].task_id, left, asking, DutyName(duty));
        };
        Require(asking <= left || !CanBeReplaced(job, t, duty), "idle workers are let go", what);
        Require(asking >= left || dismissed_from_.count({j, t, duty}) == 0,
                "one worker stays for each block that is left", what);
        Require(
            asking + StartingWorkers(j, t, duty) <= left || launched_for_.count({j, t, duty}) == 0,
            "no worker is started in place of those that were let go", what);
      }
    }
  }
}

/// Whether a worker that leaves can be replaced for certain: external workers may come, or a
/// launcher is connected and some group is not given up.
bool Model::CanBeReplaced(const Job& job, size_t t, Duty duty) const {
  const TaskSpec& spec = job.spec.tasks[t];
  if (duty == Duty::kWork && spec.external_workers) return true;
  const auto places = PlacesFor(spec, duty);
  const bool open = std::any_of(places.begin(), places.end(), [&](const WorkerGroup& group) {
    return !GivenUp(job, t, group.command.back());
  });
  return open && std::any_of(launchers_.begin(), launchers_.end(),
                             [](const auto& launcher) { return launcher.second.peer.set(); });
}

/// The number of workers that were launched and have not said hello yet.
uint64_t Model::StartingWorkers(size_t job, size_t task, Duty duty) const {
  return static_cast<uint64_t>(
      std::count_if(workers_.begin(), workers_.end(), [&](const auto& entry) {
        const Worker& worker = entry.second;
        const bool its = worker.job == job && worker.task == task && worker.duty == duty;
        return its && worker.launched && !worker.greeted && !worker.stop_asked;
      }));
}

}  // namespace bellis::sim
