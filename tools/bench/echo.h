#pragma once

// The floor: a raw ZeroMQ ROUTER that answers each message at once.

#include <string>
#include <thread>

#include "bellis/result.h"
#include "tools/bench/meter.h"

namespace bellis::bench {

/// The sizes of the messages of one block: `release` with a result, and `work` with a block.
struct FrameSizes {
  size_t request = 0;
  size_t reply = 0;
};
FrameSizes BlockFrameSizes();

/// Round trips a second between DEALERs and a ROUTER in this process at `endpoint`, each DEALER
/// with `outstanding` requests under way. Nothing is encrypted. Error: kIo.
Result<double> EchoRate(const std::string& endpoint, uint32_t outstanding, const Setting& setting);

}  // namespace bellis::bench
