#pragma once

// A box of blocks in a task's grid: block indices k with lo <= k < hi, per dimension. Sets of
// blocks that depend on one another are always boxes, so two small vectors stand for 10^9 blocks.

#include <algorithm>
#include <cstdint>

#include "common/task/block_tiling.h"

namespace bellis {

struct GridBox {
  GridPoint lo{};
  GridPoint hi{};
  int rank = 0;

  bool empty() const {
    for (size_t d = 0; d < static_cast<size_t>(rank); ++d) {
      if (lo[d] >= hi[d]) return true;
    }
    return false;
  }

  /// Number of blocks. Every grid has fewer than 2^63.
  uint64_t size() const {
    if (empty()) return 0;
    uint64_t blocks = 1;
    for (size_t d = 0; d < static_cast<size_t>(rank); ++d) {
      blocks *= static_cast<uint64_t>(hi[d] - lo[d]);
    }
    return blocks;
  }

  bool Contains(const GridPoint& k) const {
    for (size_t d = 0; d < static_cast<size_t>(rank); ++d) {
      if (k[d] < lo[d] || k[d] >= hi[d]) return false;
    }
    return true;
  }

  GridBox Intersect(const GridBox& other) const {
    GridBox result = *this;
    for (size_t d = 0; d < static_cast<size_t>(rank); ++d) {
      result.lo[d] = std::max(lo[d], other.lo[d]);
      result.hi[d] = std::min(hi[d], other.hi[d]);
    }
    return result;
  }

  /// Moves `k` to the first block of the box at or after it, in row-major order of the grid; false
  /// when there is none. The box is not empty.
  bool SeekInside(GridPoint* k) const {
    for (size_t d = 0; d < static_cast<size_t>(rank); ++d) {
      if ((*k)[d] >= lo[d] && (*k)[d] < hi[d]) continue;
      const bool below = (*k)[d] < lo[d];
      for (size_t e = d; e < static_cast<size_t>(rank); ++e) (*k)[e] = lo[e];
      if (below) return true;
      // Too high in this dimension: advance the dimensions before it.
      while (d-- > 0) {
        if (++(*k)[d] < hi[d]) return true;
        (*k)[d] = lo[d];
      }
      return false;
    }
    return true;
  }

  /// Moves `k` to the next block of the box in row-major order; false at the end.
  bool Next(GridPoint* k) const {
    for (size_t d = static_cast<size_t>(rank); d-- > 0;) {
      if (++(*k)[d] < hi[d]) return true;
      (*k)[d] = lo[d];
    }
    return false;
  }
};

}  // namespace bellis
