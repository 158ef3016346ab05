#pragma once

// Who is at the other end of each connection.

#include <cstdint>
#include <unordered_map>
#include <utility>

#include "common/ids.h"
#include "common/protocol/messages.h"

namespace bellis {

struct Worker;

/// How a connection ended.
enum class PeerEnd : uint8_t { kBye, kLost };

/// What the broker knows about a connection since its hello.
struct Peer {
  Role role = Role::kClient;
  Worker* worker = nullptr;  // worker: borrowed; null if it has another connection, or was given up
  LauncherId launcher;       // launcher
  WorkerId pulse_of;         // pulse
  uint64_t session = 0;      // pulse: its worker's
};

/// Owns one Peer for each connection that has said hello. Borrows nothing.
/// Invariant: a worker that a peer names has that peer as its connection (Roster checks it).
class PeerTable {
 public:
  /// nullptr: the connection has said no hello, or is gone.
  Peer* Find(PeerId id) {
    const auto found = peers_.find(id);
    return found == peers_.end() ? nullptr : &found->second;
  }
  bool Has(PeerId id) const { return peers_.contains(id); }
  /// The connection belongs to `peer` from now on, whatever it was before.
  Peer& Bind(PeerId id, const Peer& peer) { return peers_[id] = peer; }
  void Erase(PeerId id) { peers_.erase(id); }
  /// The worker of this connection has another connection, or none.
  void Unbind(PeerId id) {
    if (Peer* peer = Find(id)) peer->worker = nullptr;
  }

  std::unordered_map<PeerId, Peer>::const_iterator begin() const { return peers_.begin(); }
  std::unordered_map<PeerId, Peer>::const_iterator end() const { return peers_.end(); }

 private:
  std::unordered_map<PeerId, Peer> peers_;
};

}  // namespace bellis
