#pragma once

// The limits that the system sets this process.

#include <cstddef>
#include <cstdint>
#include <string>

namespace bellis {

/// How many of this process's descriptors connections may take: all but 1,100, or half of them if
/// that is more. The others are for files, pipes, and connections that libzmq accepts before the
/// router notices them, which are at most 1,001 (net/router.cc). When no descriptor is left, libzmq
/// ends the process (on ipc), or retries without a pause (on tcp).
int DescriptorsForConnections();

/// How many peers may be connected at the same time: somewhat fewer than
/// DescriptorsForConnections(). Raises the soft limit of open files first. (A worker in C++ or
/// Python has two connections.)
size_t PeersMax();

/// The end of an error's text, which says why no more than `peers_max` peers can connect: it names
/// RLIMIT_NOFILE. Empty if the broker's own limit was reached, and not the system's.
std::string WhyNoMorePeers(size_t peers_max);

/// Half of the machine's memory, or of what this process may map.
uint64_t JobMemoryMax();

}  // namespace bellis
