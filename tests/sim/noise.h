#pragma once

// Bytes that are no message, and messages that nobody asked for.

#include <string>

#include "common/protocol/messages.h"
#include "tests/sim/random.h"

namespace bellis::sim {

/// Bytes that the codec may or may not refuse: random ones, or a message cut short or changed.
std::string Noise(Random& random);

/// What somebody who is up to no good might know.
struct Hints {
  std::vector<LeaseId> leases;
  std::vector<std::string> jobs;
  std::vector<std::string> tasks;
  uint64_t workers = 0;  // ids up to this one exist or did
};

/// A well-formed message of any kind, with names and numbers that may exist.
Message RandomMessage(Random& random, const Hints& hints);

}  // namespace bellis::sim
