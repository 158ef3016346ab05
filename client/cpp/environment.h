#pragma once

// Reads the environment of a worker or a client (WORKERS.md, "Environment").

#include <sys/types.h>

#include <optional>
#include <string>

#include "bellis/result.h"
#include "common/time.h"

namespace bellis {

/// The variable's value; nullopt if it is not set or empty.
std::optional<std::string> EnvironmentValue(const char* name);

/// BELLIS_CONNECT_TIMEOUT in seconds (above 0, at most a day), else `otherwise`.
Result<Duration> ConnectTimeoutFromEnvironment(Duration otherwise);

/// The same for BELLIS_LOST_TIMEOUT.
Result<Duration> LostTimeoutFromEnvironment(Duration otherwise);

/// "10 s", "0.25 s": for messages.
std::string SecondsText(Duration duration);

/// The login name of a user, else "uid 1000".
std::string UserName(uid_t uid);

}  // namespace bellis
