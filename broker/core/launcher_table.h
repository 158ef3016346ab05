#pragma once

// The launchers that the broker knows: connected ("here") or away.

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "broker/core/record.h"
#include "common/check.h"
#include "common/ids.h"
#include "common/time.h"

namespace bellis {

/// The connection of a launcher may break while the launcher and its workers live on. Until the
/// launcher is back, or has been away for too long, its workers keep the blocks that they hold.
struct Launcher {
  LauncherId id;
  PeerId peer;         // none while it is away
  ProcessRef process;  // pid 0: unknown; such a launcher cannot come back
  std::set<WorkerId> workers;
  Instant away_since = Instant::Never();
  bool probe_set = false;  // a kLauncherProbe timer is set

  bool here() const { return peer.set(); }
};

/// Owns the launchers and their ids. Borrows nothing: callers send messages, set timers and probe
/// processes. Invariants: a launcher that is here has no away_since; an id is not given again; each
/// launched worker is listed by exactly one launcher (Roster checks it).
class LauncherTable {
 public:
  using Map = std::map<LauncherId, Launcher>;

  // ---- look up ----

  Launcher* Find(LauncherId id) {
    const auto found = launchers_.find(id);
    return found == launchers_.end() ? nullptr : &found->second;
  }
  Launcher& At(LauncherId id) { return launchers_.at(id); }
  const Launcher& At(LauncherId id) const { return launchers_.at(id); }
  /// The launcher with that process on that host. A launcher that tells no pid is known by its
  /// connection only.
  LauncherId FindProcess(const std::string& host, int64_t pid, PeerId peer) const {
    for (const auto& [id, launcher] : launchers_) {
      const bool same_process = launcher.process.host == host && launcher.process.pid == pid;
      if (same_process && (pid != 0 || launcher.peer == peer)) return id;
    }
    return {};
  }
  /// The launchers that are connected.
  std::vector<LauncherId> Here() const {
    std::vector<LauncherId> here;
    for (const auto& [id, launcher] : launchers_) {
      if (launcher.here()) here.push_back(id);
    }
    return here;
  }
  bool NoneHere() const {
    return std::none_of(launchers_.begin(), launchers_.end(),
                        [](const auto& entry) { return entry.second.here(); });
  }
  /// Since when no launcher is here. Meaningful only while none is.
  Instant none_here_since() const { return none_here_since_; }
  bool empty() const { return launchers_.empty(); }
  Map::const_iterator begin() const { return launchers_.begin(); }
  Map::const_iterator end() const { return launchers_.end(); }

  // ---- life of a launcher ----

  /// Adds a launcher that is neither here nor away yet.
  Launcher& Add(const ProcessRef& process) {
    const LauncherId id(++last_);
    Launcher& launcher = launchers_[id];
    launcher.id = id;
    launcher.process = process;
    return launcher;
  }
  void Connect(Launcher& launcher, PeerId peer) {
    launcher.peer = peer;
    launcher.away_since = Instant::Never();
  }
  /// The launcher's connection has ended. The caller decides whether it may come back (SetAway).
  void Disconnect(Launcher& launcher, Instant now) {
    launcher.peer = PeerId();
    if (NoneHere()) none_here_since_ = now;
  }
  void SetAway(Launcher& launcher, Instant now) {
    BELLIS_CHECK(!launcher.here(), "a launcher that is away has no connection");
    launcher.away_since = now;
  }
  /// Requires that the launcher has no workers.
  void Erase(LauncherId id) {
    BELLIS_CHECK(At(id).workers.empty(), "a launcher is erased after its workers");
    launchers_.erase(id);
  }

 private:
  Map launchers_;
  Instant none_here_since_;
  uint64_t last_ = 0;
};

}  // namespace bellis
