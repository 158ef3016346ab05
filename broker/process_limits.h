#pragma once

// What the system lets this process have.

#include <cstddef>
#include <cstdint>
#include <string>

namespace bellis {

/// As many connections as it may have open, with some files spared for what is none. Raises the
/// soft limit of files first. (A worker in C++ or Python has two.)
size_t PeersMax();

/// Why there are no more than `peers_max`, to go on with in an error's text: names RLIMIT_NOFILE.
/// Empty where our own limit was reached, and not the system's.
std::string WhyNoMorePeers(size_t peers_max);

/// Half of the machine's memory, or of what this process may map.
uint64_t JobMemoryMax();

}  // namespace bellis
