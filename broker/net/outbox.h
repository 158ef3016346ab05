#pragma once

// Sends messages to peers within bounds, so that a peer that does not read cannot fill the broker's
// memory. Such a peer first misses progress messages, and is told later how many. A peer that lets
// other messages pile up is treated as lost.
//
//     what lies unread in the system's buffer   progress          all else
//     up to 64 KiB                              sent              sent
//     more                                      left out          sent, up to 16 MiB in all
//
// For messages below 4 KiB, libzmq's limit on their number suffices.

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>

#include "broker/net/router.h"
#include "common/ids.h"
#include "common/protocol/codec.h"
#include "common/protocol/messages.h"

namespace bellis {

/// Owns the counts for each peer; borrows the router and the codec. One thread, the router's.
class Outbox {
 public:
  enum class Sent {
    kYes,
    kLeftOut,     // a progress message to a peer that does not read
    kUnroutable,  // the peer is gone
    kUnread,      // the peer does not read, and must be taken for lost
  };

  Outbox(Router* router, Codec* codec) : router_(router), codec_(codec) {}

  /// Cost: that of encoding the message.
  Sent Send(PeerId peer, const std::string& routing_id, Message* message);
  void Forget(PeerId peer);

 private:
  bool PilesUp(PeerId peer, const std::string& routing_id, size_t bytes);

  Router* const router_;                           // borrowed
  Codec* const codec_;                             // borrowed
  std::unordered_map<PeerId, uint64_t> left_out_;  // progress messages since a peer last read
  std::unordered_map<PeerId, size_t> piled_up_;    // bytes sent since then
};

}  // namespace bellis
