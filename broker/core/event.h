#pragma once

// All that can happen to the scheduler.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "broker/core/record.h"
#include "broker/schedule/dependency_graph.h"
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

/// The first `records` records of all that were to be persisted are durable now.
struct Committed {
  uint64_t records = 0;
};

/// Records cannot be written (`problem` says why; they are kept, and tried again), or can again.
struct StoreTrouble {
  std::string problem;
};

/// What the broker before this one has left; the first event, if there was one. `progress` has an
/// entry for each job that was running.
struct TakeOver {
  Saved saved;
  std::map<JobNumber, std::vector<TaskProgress>> progress;
};

/// Answers Effects::load; nullopt, with the reason logged, when it cannot be read.
struct Loaded {
  JobNumber job;
  std::optional<std::vector<TaskProgress>> progress;
};

/// Answers Effects::builds.
struct Built {
  uint64_t id = 0;
  Result<std::shared_ptr<const DependencyGraph>> graph;
};

/// Answers Effects::probes: this process is not there any more.
struct ProcessGone {
  ProbeSubject subject;
  int64_t pid = 0;
};

/// A deadline has come, or internal work is to go on.
struct TimePassed {};

/// The broker stops: every job is cancelled, every peer told to leave.
struct ShutDown {
  std::string reason;
};

using Event = std::variant<Received, PeerGone, TimePassed, ShutDown, Committed, StoreTrouble,
                           TakeOver, Loaded, ProcessGone, Built>;

}  // namespace bellis
