#pragma once

// What the system lets this process have.

#include <cstddef>
#include <cstdint>
#include <string>

namespace bellis {

/// How many descriptors connections may take of those that the system lets this process have: all
/// but 1,100, or half of them if those are fewer. The others are for files, pipes, and what libzmq
/// accepts until it is looked at, which is 1,001 at most (net/router.cc). When it has none left, it
/// ends the process (on ipc), or tries again without a pause (on tcp).
int DescriptorsForConnections();

/// As many peers as may be connected at a time: some fewer than that. Raises the soft limit of
/// files first. (A worker in C++ or Python has two connections.)
size_t PeersMax();

/// Why there are no more than `peers_max`, as the end of an error's text: names RLIMIT_NOFILE.
/// Empty where our own limit was reached, and not the system's.
std::string WhyNoMorePeers(size_t peers_max);

/// Half of the machine's memory, or of what this process may map.
uint64_t JobMemoryMax();

}  // namespace bellis
