#include "broker/core/launcher_links.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "broker/schedule/mutation.h"

namespace bellis {

void LauncherLinks::Hello(PeerId peer, const HelloMsg& hello) {
  turn_.Log(LogLevel::kInfo,
            fmt::format("launcher connected from {} (pid {})", hello.host, hello.pid));
  LauncherId id = launchers_.FindProcess(hello.host, hello.pid, peer);
  if (!id.set()) id = launchers_.Add({hello.host, hello.machine, hello.pid}).id;
  Bind(id, peer);
  std::vector<LauncherId> former;
  for (const auto& [other, launcher] : launchers_) {
    if (other == id) continue;
    if (hello.former_pid != 0 && launcher.process.host == hello.host &&
        launcher.process.pid == hello.former_pid) {
      former.push_back(other);
    } else if (launcher.here()) {
      // If the launcher has died, this message cannot be delivered, so the broker learns that it is
      // away.
      turn_.Send(launcher.peer, PongMsg{});
    }
  }
  for (const LauncherId other : former) {
    const PeerId its_peer = launchers_.At(other).peer;
    if (its_peer.set()) {
      peers_.Erase(its_peer);
      turn_.out().forget.push_back(its_peer);
    }
    Lose(other);
  }
  if (turn_.stopping()) return turn_.Send(peer, LeaveMsg{"the broker is about to stop"});
  jobs_.TouchAll();
}

/// `peer` is the launcher's connection from now on. Orders sent over the former connection may be
/// lost, so they are sent again; a launcher ignores repeated orders.
void LauncherLinks::Bind(LauncherId id, PeerId peer) {
  Launcher& launcher = launchers_.At(id);
  if (launcher.here() && launcher.peer != peer) {
    peers_.Erase(launcher.peer);
    turn_.out().forget.push_back(launcher.peer);
  }
  launchers_.Connect(launcher, peer);
  peers_.Find(peer)->launcher = id;
  for (const WorkerId id_of_worker : launcher.workers) {
    Worker& worker = roster_.At(id_of_worker);
    if (worker.stop_asked) {
      orders_.StopProcess(worker);
    } else if (worker.expected() && !worker.reported) {
      orders_.SendLaunch(worker);
    }
  }
}

void LauncherLinks::End(LauncherId id, PeerEnd end) {
  Launcher& launcher = launchers_.At(id);
  launchers_.Disconnect(launcher, turn_.now());
  if (end == PeerEnd::kBye || launcher.process.pid == 0) return Lose(id);
  launchers_.SetAway(launcher, turn_.now());
  if (!launcher.process.machine.empty()) {
    launcher.probe_set = false;  // sooner than the timer that is set
    ArmProbe(id);
  }
  turn_.Wake({turn_.now() + options_.launcher_wait, TimerKind::kLauncherAway, id.value});
  turn_.Log(
      LogLevel::kWarning,
      fmt::format("the launcher at {} (pid {}) cannot be reached; it has {:g} s to come back",
                  launcher.process.host, launcher.process.pid, options_.launcher_wait.seconds()));
}

void LauncherLinks::AwayTooLong(LauncherId id) {
  const Launcher* found = launchers_.Find(id);
  if (found == nullptr || found->away_since == Instant::Never()) return;
  const Launcher& launcher = *found;
  if (turn_.now() < launcher.away_since + options_.launcher_wait) return;
  // On the broker's own machine its end would have been noticed, so the launcher is only stopped
  // (SIGSTOP). Its workers may still run, and nothing else shows whether those without heartbeats
  // do.
  const bool ours =
      !launcher.process.machine.empty() && launcher.process.machine == options_.machine;
  const bool unseen =
      std::any_of(launcher.workers.begin(), launcher.workers.end(), [this](WorkerId worker_id) {
        const Worker& worker = roster_.At(worker_id);
        return worker.heartbeat_ms == 0 && (worker.recovering || !worker.held.empty());
      });
  if (ours && unseen) {
    turn_.Wake({turn_.now() + options_.launcher_wait, TimerKind::kLauncherAway, id.value});
    return;
  }
  Lose(id);
}

void LauncherLinks::ProbeDue(LauncherId id) {
  Launcher* found = launchers_.Find(id);
  if (found == nullptr) return;
  Launcher& launcher = *found;
  launcher.probe_set = false;
  if (launcher.here() && launcher.workers.empty()) return;
  if (launcher.here()) {
    turn_.Send(launcher.peer, PongMsg{});
  } else if (!launcher.process.machine.empty()) {
    turn_.out().probes.push_back({id, launcher.process});
  }
  ArmProbe(id);
}

/// While the launcher is away, the broker looks for its process more often.
void LauncherLinks::ArmProbe(LauncherId id) {
  Launcher& launcher = launchers_.At(id);
  if (std::exchange(launcher.probe_set, true)) return;
  const Duration wait = launcher.here() ? options_.launcher_probe : Duration::Millis(200);
  turn_.Wake({turn_.now() + wait, TimerKind::kLauncherProbe, id.value});
}

void LauncherLinks::Lose(LauncherId id) {
  turn_.Log(turn_.stopping() ? LogLevel::kInfo : LogLevel::kWarning,
            "a launcher is gone, and its workers with it");
  // If no other launcher is here, none is here since this one went away.
  const Instant since = launchers_.At(id).away_since;
  const std::set<WorkerId> lost = launchers_.At(id).workers;
  for (const WorkerId worker_id : lost) {
    Worker& worker = roster_.At(worker_id);
    if (!turn_.stopping()) FurtherBecomeExternal(worker);
    if (worker.heartbeat_ms > 0 && worker.lease_until > turn_.now() && !worker.vacant() &&
        !turn_.stopping()) {
      BecomeExternal(worker);
      continue;
    }
    Pool& pool = Roster::PoolOf(worker);
    pool.launcher_missing_since = std::min(pool.launcher_missing_since, since);
    if (worker.end_counts != EndCounts::kDismissed) worker.end_counts = EndCounts::kReplaced;
    worker.orphaned = true;  // its end is not its own fault
    ExitedMsg exited;
    exited.worker = worker_id;
    exited.signal = SIGKILL;
    exits_.WorkerExited(worker, exited);
  }
  launchers_.Erase(id);
}

/// The worker's launcher is lost. The worker may still run, and its leases have not ended: it is an
/// external worker from now on, and nobody reports its end.
void LauncherLinks::BecomeExternal(Worker& worker) {
  roster_.BecomeExternal(worker);
  ++worker.job->tasks[worker.task].restarts;
  jobs_.Touch(*worker.job, worker.task);
}

/// The same for those further connections of a place that ping: their leases have not ended.
void LauncherLinks::FurtherBecomeExternal(Worker& place) {
  for (const WorkerId id : std::set<WorkerId>(place.further)) {
    Worker& worker = roster_.At(id);
    if (worker.heartbeat_ms == 0 || worker.lease_until <= turn_.now()) continue;
    place.further.erase(id);
    roster_.BecomeExternal(worker);
  }
}

}  // namespace bellis
