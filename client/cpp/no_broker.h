#pragma once

#include <string>

#include "common/result.h"
#include "common/time.h"

namespace bellis {

/// What to say when nobody at `endpoint` has answered within `waited`: kTimeout, with the reason as
/// far as the socket file tells it (it is another user's, it is not there).
Error NoBrokerError(const std::string& endpoint, Duration waited);

}  // namespace bellis
