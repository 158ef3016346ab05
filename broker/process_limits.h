#pragma once

// What the system lets this process have.

#include <cstddef>
#include <cstdint>

namespace bellis {

/// As many connections as it may have open, with some files spared for what is none. Raises the
/// soft limit of files first. (A worker in C++ or Python has two.)
size_t PeersMax();

/// Half of the machine's memory, or of what this process may map.
uint64_t JobMemoryMax();

}  // namespace bellis
