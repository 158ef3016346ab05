#pragma once

// Points in time and spans of it, in nanoseconds of a monotonic clock. There is no Now() here: the
// scheduler is told the time, it never asks.

#include <compare>
#include <cstdint>
#include <limits>

namespace bellis {

struct Duration {
  int64_t ns = 0;
  constexpr auto operator<=>(const Duration&) const = default;
  static constexpr Duration Millis(int64_t ms) { return {ms * 1'000'000}; }
  static constexpr Duration Seconds(double s) { return {static_cast<int64_t>(s * 1e9)}; }
  constexpr double seconds() const { return static_cast<double>(ns) * 1e-9; }
  constexpr double millis() const { return static_cast<double>(ns) * 1e-6; }
};

struct Instant {
  int64_t ns = 0;
  constexpr auto operator<=>(const Instant&) const = default;
  static constexpr Instant Never() { return {std::numeric_limits<int64_t>::max()}; }
};

constexpr Instant operator+(Instant t, Duration d) { return {t.ns + d.ns}; }
constexpr Instant operator-(Instant t, Duration d) { return {t.ns - d.ns}; }
constexpr Duration operator-(Instant a, Instant b) { return {a.ns - b.ns}; }
constexpr Duration operator+(Duration a, Duration b) { return {a.ns + b.ns}; }

}  // namespace bellis
