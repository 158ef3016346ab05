#pragma once

// All events that the scheduler takes.

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

/// A message from a peer. The first message of every peer is a hello whose token was checked.
struct Received {
  PeerId peer;
  Message message;
};

/// No message can be routed to this peer any more. `undelivered`: the leases in the message that
/// could not be delivered; their blocks were never started.
struct PeerGone {
  PeerId peer;
  std::vector<LeaseId> undelivered;
};

/// The first `records` records of all that were to be persisted are durable now.
struct Committed {
  uint64_t records = 0;
};

/// Records cannot be written (`problem` says why; the store keeps them, and tries again), or can be
/// written again (`problem` is empty).
struct StoreTrouble {
  std::string problem;
};

/// The state that an earlier broker left. It is the first event, if there was an earlier broker.
/// `progress` has an entry for each job that was running.
struct TakeOver {
  Saved saved;
  std::map<JobNumber, std::vector<TaskProgress>> progress;
};

/// Answers Effects::load. `progress` is nullopt if it cannot be read; the reason is logged.
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

/// A deadline has come, or there is follow-up work.
struct TimePassed {};

/// The broker stops: every job is cancelled, and every peer is told to leave.
struct ShutDown {
  std::string reason;
};

using Event = std::variant<Received, PeerGone, TimePassed, ShutDown, Committed, StoreTrouble,
                           TakeOver, Loaded, ProcessGone, Built>;

}  // namespace bellis
