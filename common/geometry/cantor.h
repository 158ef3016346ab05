#pragma once

// Cantor numbers: a bijection between n-tuples of naturals and naturals, by which users know
// their blocks (SEMANTICS "Tiling"):
//
//     cantor(x1) = x1,   cantor(x1..xd) = C(s+d-1, d) + cantor(x1..x(d-1)),   s = x1+..+xd
//
// C is the binomial coefficient. Exact integers throughout; monotone in every coordinate.

#include <cstdint>
#include <optional>

#include "common/ids.h"

namespace bellis {

/// nullopt when the number does not fit in a signed 64-bit integer. Every x is >= 0.
std::optional<CantorId> CantorNumber(const int64_t* x, int rank);

/// Writes the tuple that has that number to `x`. Requires number >= 0. Cost: O(rank^2 log number).
void CantorTuple(CantorId number, int rank, int64_t* x);

/// Whether CantorNumberSmall may be used for every tuple that is at most `x` in every coordinate.
bool CantorFitsSmall(const int64_t* x, int rank);

/// CantorNumber in 64-bit arithmetic, about ten times as fast.
inline CantorId CantorNumberSmall(const int64_t* x, int rank) {
  uint64_t number = 0;
  uint64_t sum = 0;
  for (int d = 1; d <= rank; ++d) {
    sum += static_cast<uint64_t>(x[d - 1]);
    uint64_t binomial = sum;  // C(sum + d - 1, d), one factor at a time; each step is exact
    for (int i = 2; i <= d; ++i) {
      binomial = binomial * (sum + static_cast<uint64_t>(i) - 1) / static_cast<uint64_t>(i);
    }
    number += binomial;
  }
  return static_cast<CantorId>(number);
}

}  // namespace bellis
