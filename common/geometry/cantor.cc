#include "common/geometry/cantor.h"

#include <limits>

#include "common/geometry/wide.h"

namespace bellis {
namespace {

using Wide = UInt128;

constexpr Wide kIdMax = static_cast<Wide>(std::numeric_limits<int64_t>::max());

/// C(sum + d - 1, d), or any number above kIdMax if that is above kIdMax.
Wide Binomial(Wide sum, int d) {
  Wide binomial = sum;
  for (int i = 2; i <= d && binomial <= kIdMax; ++i) {
    binomial = binomial * (sum + static_cast<Wide>(i) - 1) / static_cast<Wide>(i);
  }
  return binomial;
}

}  // namespace

std::optional<CantorId> CantorNumber(const int64_t* x, int rank) {
  Wide number = 0;
  Wide sum = 0;
  for (int d = 1; d <= rank; ++d) {
    sum += static_cast<Wide>(x[d - 1]);
    if (sum > kIdMax) return std::nullopt;
    // Each partial product C(sum + i - 1, i) is at most the final one (for sum >= 1), so one above
    // the limit decides; below the limit, a product with `sum + i` stays under 2^63 * 2^64.
    Wide binomial = sum;
    for (int i = 2; i <= d; ++i) {
      binomial = binomial * (sum + static_cast<Wide>(i) - 1) / static_cast<Wide>(i);
      if (binomial > kIdMax) return std::nullopt;
    }
    number += binomial;
    if (number > kIdMax) return std::nullopt;
  }
  return static_cast<CantorId>(number);
}

void CantorTuple(CantorId number, int rank, int64_t* x) {
  // The sum of the first d coordinates is the largest sum whose binomial is at most `rest`.
  auto rest = static_cast<Wide>(number);
  Wide sum_above = 0;
  for (int d = rank; d >= 1; --d) {
    Wide sum = 0;
    for (Wide bit = Wide{1} << 62; bit > 0; bit >>= 1) {
      if (Binomial(sum + bit, d) <= rest) sum += bit;
    }
    rest -= Binomial(sum, d);
    if (d < rank) x[d] = static_cast<int64_t>(sum_above - sum);
    sum_above = sum;
  }
  x[0] = static_cast<int64_t>(sum_above);
}

bool CantorFitsSmall(const int64_t* x, int rank) {
  Wide sum = 0;
  for (int d = 0; d < rank; ++d) sum += static_cast<Wide>(x[d]);
  // The largest product formed: C(sum + rank - 2, rank - 1) * (sum + rank - 1).
  const Wide limit = Wide{1} << 63;
  Wide binomial = sum;
  if (sum > limit) return false;
  for (int i = 2; i <= rank; ++i) {
    const Wide product = binomial * (sum + static_cast<Wide>(i) - 1);
    if (product > limit) return false;
    binomial = product / static_cast<Wide>(i);
  }
  return binomial < limit / static_cast<Wide>(rank + 1);
}

}  // namespace bellis
