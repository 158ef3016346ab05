#pragma once

// Makes bytes that are no message, and messages that nobody asked for.

#include <string>

#include "common/protocol/messages.h"
#include "tests/sim/random.h"

namespace bellis::sim {

/// Bytes that the codec may or may not refuse: random bytes, or a message cut short or changed.
std::string Noise(Random& random);

/// What a malicious peer might know.
struct Hints {
  std::vector<LeaseId> leases;
  std::vector<std::string> jobs;
  std::vector<std::string> tasks;
  uint64_t workers = 0;  // worker ids up to this one exist or existed
};

/// A well-formed message of any kind, with names and numbers that may exist.
Message RandomMessage(Random& random, const Hints& hints);

}  // namespace bellis::sim
