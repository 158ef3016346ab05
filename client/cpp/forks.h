#pragma once

// Whether this process is a forked child of the one that made an object.

#include <cstdint>

namespace bellis {

/// A number that differs between a process and its forked children. Cost: a load. Any thread.
uint64_t ForkGeneration();

}  // namespace bellis
