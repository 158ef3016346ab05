#pragma once

#include <string>

#include "bellis/result.h"
#include "common/time.h"

namespace bellis {

/// The error (kTimeout) for an endpoint where nobody has answered within `waited`, with the reason
/// as far as the socket file tells it: the file is another user's, or is not there. Or with
/// `trouble`, what is known of who answers in the broker's place (Connection::Trouble).
Error NoBrokerError(const std::string& endpoint, Duration waited, const std::string& trouble = "");

}  // namespace bellis
