#pragma once

// Integer arithmetic that reports overflow. Every number from outside (a pipeline file, a message)
// passes through these functions before the scheduler computes with it.

#include <cstdint>
#include <optional>

namespace bellis {

inline std::optional<int64_t> CheckedAdd(int64_t a, int64_t b) {
  int64_t sum;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

inline std::optional<int64_t> CheckedSub(int64_t a, int64_t b) {
  int64_t difference;
  if (__builtin_sub_overflow(a, b, &difference)) return std::nullopt;
  return difference;
}

inline std::optional<int64_t> CheckedMul(int64_t a, int64_t b) {
  int64_t product;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

/// Quotient rounded towards minus infinity. `divisor` is positive.
constexpr int64_t FloorDiv(int64_t dividend, int64_t divisor) {
  const int64_t quotient = dividend / divisor;
  return dividend % divisor < 0 ? quotient - 1 : quotient;
}

/// Quotient rounded towards plus infinity. `divisor` is positive.
constexpr int64_t CeilDiv(int64_t dividend, int64_t divisor) {
  const int64_t quotient = dividend / divisor;
  return dividend % divisor > 0 ? quotient + 1 : quotient;
}

/// Remainder of FloorDiv, in [0, divisor). `divisor` is positive. Not computed as
/// `dividend - FloorDiv(..) * divisor`: that product overflows near the smallest int64.
constexpr int64_t FloorMod(int64_t dividend, int64_t divisor) {
  const int64_t rest = dividend % divisor;
  return rest < 0 ? rest + divisor : rest;
}

}  // namespace bellis
