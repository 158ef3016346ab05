#pragma once

// Spans of time, in nanoseconds. Plain values. Arithmetic is not checked: an int64 of nanoseconds
// holds 292 years.
//
// Example:
//
//     const bellis::Duration patience = bellis::Duration::Seconds(2.5);
//     return patience > bellis::Duration::Millis(2000) ? 0 : 1;

#include <compare>
#include <cstdint>

namespace bellis {

struct Duration {
  int64_t ns = 0;
  constexpr auto operator<=>(const Duration&) const = default;
  static constexpr Duration Millis(int64_t ms) { return {ms * 1'000'000}; }
  static constexpr Duration Seconds(double s) { return {static_cast<int64_t>(s * 1e9)}; }
  constexpr double seconds() const { return static_cast<double>(ns) * 1e-9; }
  constexpr double millis() const { return static_cast<double>(ns) * 1e-6; }
};

constexpr Duration operator+(Duration a, Duration b) { return {a.ns + b.ns}; }

}  // namespace bellis
