#pragma once

// The peers that have said hello: by libzmq's routing id, which every message carries, and by the
// id that the scheduler knows.

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "broker/net/key_ring.h"
#include "common/ids.h"

namespace bellis {

struct KnownPeer {
  PeerId id;
  std::string routing_id;
  KeyRing::GrantRef grant;
  std::string key;  // the CURVE key that it has proved; "" without CURVE
};

/// Owns the peers. Pointers to a peer are valid until it is removed.
class PeerBook {
 public:
  /// nullptr: the peer is not known. Cost: O(1); without a look-up by string if libzmq made the
  /// routing id, which it does for every peer that did not choose one.
  KnownPeer* Find(std::string_view routing_id);
  KnownPeer* Find(PeerId id);
  /// Adds a peer with a new id. Requires that the routing id is not known.
  KnownPeer& Add(std::string_view routing_id);
  void Remove(PeerId id);
  size_t size() const { return peers_.size(); }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  std::unordered_map<PeerId, KnownPeer> peers_;
  // By routing id: those that libzmq made, as numbers, and those that peers chose.
  std::unordered_map<uint32_t, KnownPeer*> made_;
  std::unordered_map<std::string, KnownPeer*, Hash, std::equal_to<>> chosen_;
  uint64_t last_id_ = 0;
};

}  // namespace bellis
