#pragma once

#include "common/protocol/messages.h"

namespace bellis {

/// Halves the failures that a status message tells of, so that it fits into a message; the counts
/// stay whole. False when there is nothing (more) to leave out.
bool TrimStatus(Message* message);

}  // namespace bellis
