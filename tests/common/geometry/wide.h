#pragma once

// 128-bit integers for tests: arithmetic that cannot overflow, to compare 64-bit arithmetic with.

#include <cstdint>
#include <limits>

namespace bellis {

__extension__ typedef __int128 Wide;

inline bool Fits(Wide value) {
  return value >= std::numeric_limits<int64_t>::min() &&
         value <= std::numeric_limits<int64_t>::max();
}

/// The quotient, rounded towards minus infinity: the q with q*b <= a < (q+1)*b.
inline Wide WideFloor(Wide a, Wide b) {
  Wide q = a / b;
  while (q * b > a) --q;
  return q;
}

}  // namespace bellis
