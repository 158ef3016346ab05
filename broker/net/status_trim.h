#pragma once

#include "common/protocol/messages.h"

namespace bellis {

/// Drops half of the failures that a status message lists, so that the message gets smaller; the
/// counts stay right. False if there is nothing (more) to drop.
bool TrimStatus(Message* message);

}  // namespace bellis
