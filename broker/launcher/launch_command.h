#pragma once

// The process that a `launch` message asks for.

#include <string>

#include "broker/launcher/process_table.h"
#include "common/protocol/messages.h"

namespace bellis {

/// `endpoint`: of the broker, as this launcher reaches it. The worker gets the keys that its job
/// gave it, never those of the launcher.
WorkerCommand CommandOf(const LaunchMsg& launch, const std::string& endpoint);

}  // namespace bellis
