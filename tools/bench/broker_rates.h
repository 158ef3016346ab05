#pragma once

// Rates of a broker: its answers to pings, and blocks that take no time, a second.

#include <cstdint>
#include <optional>

#include "bellis/result.h"
#include "common/access/access.h"
#include "tools/bench/meter.h"

namespace bellis::bench {

/// Pongs a second, each connection with `outstanding` pings under way. Errors: no broker.
Result<double> PingRate(const Access& access, uint32_t outstanding, const Setting& setting);

/// Blocks a second of a job of blocks that take no time, done by workers in this process. Each has
/// `prefetch` blocks in advance; none: as many as WorkerOptions::prefetch says. The job is
/// cancelled at the end. Errors: no broker; what it refuses.
Result<double> BlockRate(const Access& access, std::optional<uint32_t> prefetch,
                         const Setting& setting);

}  // namespace bellis::bench
