#pragma once

// All random numbers of the simulator come from here: xoshiro256** (Blackman and Vigna 2018),
// seeded by splitmix64. The generator and its mapping to integers are our own, so that a seed means
// the same run with every compiler and library.

#include <array>
#include <bit>
#include <cstdint>
#include <vector>

#include "common/time.h"

namespace bellis::sim {

class Random {
 public:
  explicit Random(uint64_t seed) {
    for (uint64_t& word : state_) {
      seed += 0x9E3779B97F4A7C15;
      uint64_t z = seed;
      z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
      z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
      word = z ^ (z >> 31);
    }
  }

  uint64_t Next() {
    const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  /// An integer with lo <= result <= hi. The bias of the remainder does not matter here.
  int64_t Pick(int64_t lo, int64_t hi) {
    return lo + static_cast<int64_t>(Next() % static_cast<uint64_t>(hi - lo + 1));
  }
  bool Chance(double probability) {
    return static_cast<double>(Next() >> 11) * 0x1.0p-53 < probability;
  }
  Duration Between(Duration lo, Duration hi) { return {Pick(lo.ns, hi.ns)}; }
  /// Requires a vector that is not empty.
  template <typename T>
  const T& Of(const std::vector<T>& items) {
    return items[static_cast<size_t>(Next() % items.size())];
  }

 private:
  std::array<uint64_t, 4> state_{};
};

}  // namespace bellis::sim
