// Launchers of the model: which are here or away, and what each must be told.

#include <algorithm>
#include <vector>

#include "tests/sim/model.h"

namespace bellis::sim {

uint64_t Model::FindLauncher(PeerId peer, const HelloMsg& hello) const {
  for (const auto& [id, launcher] : launchers_) {
    if (launcher.host != hello.host || launcher.pid != hello.pid) continue;
    if (hello.pid != 0 || launcher.peer == peer) return id;
  }
  return 0;
}

/// A launcher process that says hello over a new connection keeps its workers, and is told again
/// what may have been lost.
void Model::BindLauncher(PeerId peer, const HelloMsg& hello) {
  uint64_t id = FindLauncher(peer, hello);
  if (id == 0) id = ++last_launcher_;
  Launcher& launcher = launchers_[id];
  if (launcher.peer.set() && launcher.peer != peer) {
    peers_.erase(launcher.peer);
    gone_.insert(launcher.peer);
  }
  launcher = {peer, hello.host, hello.pid, Instant::Never()};
  peers_[peer].launcher = id;
  for (auto& [worker_id, worker] : workers_) {
    if (worker.launcher != id) continue;
    const Job& job = jobs_[worker.job];
    const Task& task = job.tasks[worker.task];
    const bool needed = !job.ended && !task.given_up && task.counts.unfinished() > 0;
    if (worker.stop_asked) {
      to_stop_.insert(worker_id);
    } else if (needed && !worker.greeted && worker.reported_at == Instant::Never()) {
      to_launch_.insert(worker_id);
    }
  }
  std::vector<uint64_t> former;
  for (const auto& [other, its] : launchers_) {
    if (hello.former_pid == 0 || its.host != hello.host || its.pid != hello.former_pid) continue;
    former.push_back(other);
    if (!its.peer.set()) continue;
    peers_.erase(its.peer);
    gone_.insert(its.peer);
  }
  for (const uint64_t other : former) LauncherLost(other);
}

/// The launcher is lost. The places of its workers count as free from the time at which it went
/// away.
void Model::LauncherLost(uint64_t id) {
  const Instant since = launchers_.at(id).away_since;
  launchers_.erase(id);
  std::vector<WorkerId> lost;
  for (const auto& [worker_id, worker] : workers_) {
    if (!worker.launched || worker.launcher != id) continue;
    lost.push_back(worker_id);
    Instant& needed =
        jobs_[worker.job].tasks[worker.task].needed_since[static_cast<size_t>(worker.duty)];
    needed = std::min(needed, since);
  }
  for (const WorkerId worker : lost) WorkerEnded(worker, {}, /*excused=*/true);
}

bool Model::LauncherIsHere(const Worker& worker) const {
  const auto launcher = launchers_.find(worker.launcher);
  return launcher != launchers_.end() && launcher->second.peer.set();
}

/// The process of a place is to be stopped, so none of its connections gets another block.
void Model::Stops(WorkerId place) {
  workers_.at(place).stop_asked = true;
  for (const WorkerId id : ConnectionsOf(place)) {
    workers_.at(id).leaving = true;
    workers_.at(id).credit = 0;
  }
}

/// The worker must be stopped: at once, or when its launcher is back.
void Model::MustStop(WorkerId id, Worker& worker) {
  Stops(id);
  if (LauncherIsHere(worker)) to_stop_.insert(id);
}

void Model::OnLaunched(PeerId peer, const LaunchedMsg& launched) {
  const auto at = workers_.find(launched.worker);
  if (at == workers_.end() || at->second.launcher != peers_.at(peer).launcher) {
    to_stop_unknown_.insert(launched.worker);
    return;
  }
  at->second.reported_at = std::min(at->second.reported_at, now_);
}

}  // namespace bellis::sim
