#include "broker/core/staffing.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/core/pool_sizes.h"
#include "broker/schedule/mutation.h"

namespace bellis {
namespace {

/// How often a task that waits for resources looks for idle workers of other tasks, and how long a
/// worker must have been idle to make room.
constexpr Duration kLookForIdle = Duration::Seconds(1);

}  // namespace

void Staffing::OnLaunched(PeerId peer, const LaunchedMsg& launched) {
  Worker* worker = roster_.Find(launched.worker);
  if (worker == nullptr || worker->launcher != peers_.Find(peer)->launcher) {
    // The broker gave this worker up while its launcher was away. It is stopped, so that no process
    // runs unwatched.
    turn_.Log(LogLevel::kInfo,
              fmt::format("unknown worker {} runs: stopped", launched.worker.value));
    return turn_.Send(peer, StopMsg{launched.worker, options_.stop_grace_ms});
  }
  worker->launched_pid = launched.pid;
  if (std::exchange(worker->reported, true)) return;
  turn_.Log(LogLevel::kDebug,
            fmt::format("worker {} started (pid {})", launched.worker.value, launched.pid));
  if (!worker->expected()) return;
  turn_.Wake({turn_.now() + options_.hello_wait, TimerKind::kHello, worker->id.value});
}

/// Whether the task should have more processes of that duty than it has.
bool Staffing::LacksProcess(const Job& job, TaskIndex t, Duty duty) const {
  const TaskRun& task = job.tasks[t];
  if (turn_.stopping() || task.closed || !task.error.empty() || !Needed(job, t, duty)) return false;
  if (job.spec.tasks[t].paused && duty != Duty::kPostCheck) return false;
  if (Active(task.pool(duty)) >= Wanted(job, t, duty)) return false;
  if (HasEnoughForTheRest(job, t, duty)) return false;
  return !job.spec.serial || duty == Duty::kPostCheck || job.leased() == 0;
}

/// Starts processes while there is something for them to do, and fewer run than the task may have.
void Staffing::LaunchWorkers(Job& job, TaskIndex t) {
  for (const Duty duty : DutiesOf(job.spec.tasks[t])) LaunchPool(job, t, duty);
}

void Staffing::LaunchPool(Job& job, TaskIndex t, Duty duty) {
  Pool& pool = job.tasks[t].pool(duty);
  while (LacksProcess(job, t, duty)) {
    if (!LaunchOne(job, t, duty)) return;
  }
  // The wait for a launcher counts only while one is needed.
  if (!Mutated(Mutation::kLauncherWaitKept)) pool.launcher_missing_since = Instant::Never();
}

/// Whether the pool has waited long enough for a launcher.
bool Staffing::AwaitLauncher(Job& job, TaskIndex t, Duty duty) {
  Pool& pool = job.tasks[t].pool(duty);
  if (pool.launcher_missing_since == Instant::Never()) pool.launcher_missing_since = turn_.now();
  const Instant limit =
      std::max(pool.launcher_missing_since, launchers_.none_here_since()) + options_.launcher_wait;
  if (turn_.now() < limit) LookAgain(turn_, job, t, limit);
  return turn_.now() >= limit;
}

/// The next group, in turn, that has a free place and may start a process now. nullopt: there is
/// none; a timer is set for when one may.
std::optional<size_t> Staffing::NextGroup(Job& job, TaskIndex t, Duty duty) {
  Pool& pool = job.tasks[t].pool(duty);
  const auto specs = GroupsOf(job.spec.tasks[t], duty);
  Instant soonest = Instant::Never();
  for (size_t i = 0; i < specs.size(); ++i) {
    const size_t g = (pool.next_group + i) % specs.size();
    const GroupRun& group = pool.groups[g];
    if (!group.error.empty() || group.active + group.retired >= specs[g].count) continue;
    if (turn_.now() >= group.launch_at) {
      pool.next_group = (g + 1) % specs.size();
      return g;
    }
    soonest = std::min(soonest, group.launch_at);
  }
  if (soonest != Instant::Never()) LookAgain(turn_, job, t, soonest);
  return std::nullopt;
}

/// A task has blocks, but no worker can be started, because too little of `resource` is free.
/// Workers of other tasks that have been idle for a while are drained to make room, one at a time.
/// Cost: linear in the workers, at most once a second per task.
void Staffing::AwaitResources(Job& job, TaskIndex t, const std::string& resource) {
  budget_.Await(job.number, t);
  Pool& pool = job.tasks[t].pool(Duty::kWork);
  if (turn_.now() < pool.look_for_idle_at) return LookAgain(turn_, job, t, pool.look_for_idle_at);
  pool.look_for_idle_at = turn_.now() + kLookForIdle;
  LookAgain(turn_, job, t, pool.look_for_idle_at);
  for (const auto& [id, worker] : roster_.all()) {
    const auto has = worker.resources.find(resource);
    if (has == worker.resources.end() || has->second == 0) continue;
    if (worker.is_leaving()) return;  // another worker is leaving already
  }
  for (const auto& [id, worker] : roster_.all()) {
    const auto has = worker.resources.find(resource);
    if (has == worker.resources.end() || has->second == 0 || !worker.parked) continue;
    const bool other = worker.job != &job || worker.task != t;
    const bool idle = worker.held.empty() && turn_.now() >= worker.parked_since + kLookForIdle &&
                      worker.job->running() && worker.job->counts(worker.task).ready == 0;
    if (other && idle)
      return orders_.Drain(roster_.At(id), "its resources are needed by another task");
  }
}

bool Staffing::LaunchOne(Job& job, TaskIndex t, Duty duty) {
  const std::vector<LauncherId> here = launchers_.Here();
  if (!durable_.HasWorkerIds()) return false;  // new ids will be durable soon
  if (here.empty()) {
    AwaitLauncher(job, t, duty);  // blocks that were handed out just now may need a post_check
    return false;
  }
  if (duty == Duty::kWork) {
    const std::string lacking = budget_.Lacking(job.spec.tasks[t]);
    if (!lacking.empty()) {
      AwaitResources(job, t, lacking);
      return false;
    }
  }
  const std::optional<size_t> g = NextGroup(job, t, duty);
  if (!g) return false;
  job.tasks[t].launched_any = true;
  const WorkerId id = durable_.NextWorker();
  const LauncherId launcher = here[id.value % here.size()];
  Worker& worker = roster_.AddLaunched(id, job, t, duty, *g, launcher);
  launcher_links_.ArmProbe(launcher);
  if (duty == Duty::kWork) worker.resources = budget_.Take(job.spec.tasks[t]);
  orders_.SendLaunch(worker);
  return true;
}

}  // namespace bellis
