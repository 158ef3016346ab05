#pragma once

#include <string>

#include "bellis/result.h"
#include "common/time.h"

namespace bellis {

/// The error (kTimeout) for an endpoint where nobody has answered within `waited`. If the socket
/// file shows the reason, it is in the error: the file belongs to another user, or does not exist.
/// `trouble` says, if it is not empty, what is known about a program that answers in the broker's
/// place (Connection::Trouble).
Error NoBrokerError(const std::string& endpoint, Duration waited, const std::string& trouble = "");

}  // namespace bellis
