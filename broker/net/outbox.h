#pragma once

// Sends messages to peers, within bounds: a peer that does not read must not fill the broker's
// memory. It misses progress messages first, and is told later how many; whoever lets anything else
// pile up is lost to the broker.
//
//     what lies unread in the system's buffer   progress          all else
//     up to 64 KiB                              sent              sent
//     more                                      left out          sent, up to 16 MiB in all
//
// Of messages below 4 KiB, libzmq's limit on their number is bound enough.

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>

#include "broker/net/router.h"
#include "common/ids.h"
#include "common/protocol/codec.h"
#include "common/protocol/messages.h"

namespace bellis {

/// Owns what it counts for each peer; borrows the router and the codec. One thread, the router's.
class Outbox {
 public:
  enum class Sent {
    kYes,
    kLeftOut,     // progress of a peer that does not read
    kUnroutable,  // the peer is gone
    kUnread,      // the peer does not read what it is sent: it is to be taken for lost
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
  std::unordered_map<PeerId, size_t> piled_up_;    // bytes that were sent since then
};

}  // namespace bellis
