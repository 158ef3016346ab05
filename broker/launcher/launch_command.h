#pragma once

// The process that a `launch` message asks for.

#include <string>

#include "broker/launcher/process_table.h"
#include "common/protocol/messages.h"

namespace bellis {

/// `endpoint`: the broker's, as this launcher reaches it. The worker gets the keys of its job,
/// never those of the launcher.
WorkerCommand CommandOf(const LaunchMsg& launch, const std::string& endpoint);

}  // namespace bellis
