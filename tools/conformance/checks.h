#pragma once

// All checks, by what they are about. Their order is that of the table.

#include <vector>

#include "tools/conformance/check.h"

namespace bellis::conformance {

/// The conversation of level 0.
std::vector<Check> TalkChecks();
/// Level 0: messages that are legal, but unusual.
std::vector<Check> MessageChecks();
/// Silence, broken connections and brokers that are started again, at level 0.
std::vector<Check> NetworkChecks();
/// Level 1: heartbeats and the ends of leases.
std::vector<Check> LeaseChecks();
/// Level 2: what a worker keeps when its connection or its broker ends.
std::vector<Check> LastingChecks();

const std::vector<Check>& AllChecks();

}  // namespace bellis::conformance
