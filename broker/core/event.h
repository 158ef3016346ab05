#pragma once

// All that can happen to the scheduler.

#include <string>
#include <variant>
#include <vector>

#include "common/ids.h"
#include "common/protocol/messages.h"

namespace bellis {

/// A message from a peer. The first one of every peer is a hello whose token was found right.
struct Received {
  PeerId peer;
  Message message;
};

/// Nothing can be routed to this peer any more. `undelivered` are the leases of the message that
/// showed it: their blocks were never started.
struct PeerGone {
  PeerId peer;
  std::vector<LeaseId> undelivered;
};

/// A deadline has come, or internal work is to go on.
struct TimePassed {};

/// The broker stops: every job is cancelled, every peer told to leave.
struct ShutDown {
  std::string reason;
};

using Event = std::variant<Received, PeerGone, TimePassed, ShutDown>;

}  // namespace bellis
