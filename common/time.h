#pragma once

// Points in time, in nanoseconds of a monotonic clock; spans are in bellis/duration.h. There is no
// Now() here: the scheduler gets the time as an argument, and never asks for it.

#include <compare>
#include <cstdint>
#include <limits>

#include "bellis/duration.h"

namespace bellis {

struct Instant {
  int64_t ns = 0;
  constexpr auto operator<=>(const Instant&) const = default;
  static constexpr Instant Never() { return {std::numeric_limits<int64_t>::max()}; }
};

constexpr Instant operator+(Instant t, Duration d) { return {t.ns + d.ns}; }
constexpr Instant operator-(Instant t, Duration d) { return {t.ns - d.ns}; }
constexpr Duration operator-(Instant a, Instant b) { return {a.ns - b.ns}; }

}  // namespace bellis
