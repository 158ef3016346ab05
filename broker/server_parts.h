#pragma once

// Derives the options of a server's parts, the scheduler's core and the gate, from those of the
// server.

#include "broker/core/broker_core.h"
#include "broker/net/gate.h"
#include "broker/server.h"
#include "common/time.h"

namespace bellis {

/// `now` is the time of the first Step.
CoreOptions CoreOptionsOf(const ServerOptions& options, Instant now);

GateOptions GateOptionsOf(const ServerOptions& options);

}  // namespace bellis
