#include "broker/schedule/chunk_sharing.h"

#include <algorithm>

#include "common/geometry/checked.h"
#include "common/geometry/wide.h"
#include "common/task/tiling.h"

namespace bellis {
namespace {

/// The lowest y >= 0 with lo <= factor * y mod modulus <= hi; -1 when no y has. Requires
/// 0 <= factor, 0 <= lo <= hi < modulus. Euclid's algorithm: O(log modulus).
Int128 FirstInRange(Int128 factor, Int128 modulus, Int128 lo, Int128 hi) {
  if (lo == 0) return 0;
  if (factor == 0) return -1;
  const Int128 first = (lo + factor - 1) / factor;  // without wrapping around
  if (first * factor <= hi) return first;
  // The lowest y has the fewest rounds with factor * y - modulus * rounds in [lo, hi].
  const Int128 rounds =
      FirstInRange(modulus % factor, factor, (factor - hi % factor) % factor, factor - lo % factor);
  if (rounds < 0) return -1;
  return (lo + modulus * rounds + factor - 1) / factor;
}

GridPoint OnAxis(int dim, int64_t position) {
  GridPoint k{};
  k[static_cast<size_t>(dim)] = position;
  return k;
}

/// The multiple of `unit` nearest to `value`.
int64_t Nearest(int64_t value, int64_t unit) {
  const int64_t below = FloorDiv(value, unit) * unit;
  return value - below <= unit - (value - below) ? below : below + unit;
}

/// The least distance, in blocks along `dim`, of two blocks that may run at the same time.
int64_t FreeDistance(const TaskSpec& task, const BlockGrid& grid, int dim) {
  return task.read_write_conflict == Conflict::kNone ? 1 : grid.ConflictReach(dim);
}

/// In exclusive mode: the distance that suffices along `dim` when the blocks are also that far
/// apart along a second dimension, on the side with less context.
int64_t ShorterReach(const TaskSpec& task, int dim) {
  const int64_t lo = ContextBefore(task)[dim];
  const int64_t hi = ContextBehind(task)[dim];
  return CeilDiv(std::min(lo, hi), task.write_roi.shape()[dim]) + 1;
}

ChunkSharing Found(const TaskSpec& task, const BlockGrid& grid, Sharing sharing, int dim,
                   int64_t first, int64_t distance) {
  const int64_t chunk = task.chunk_shape[dim];
  const Roi roi = grid.WriteRoi(OnAxis(dim, first));
  const int64_t begin = grid.WriteRoi(GridPoint{}).offset()[dim];
  const int64_t context = begin - task.total_roi.offset()[dim];
  return {.sharing = sharing,
          .dim = dim,
          .first = first,
          .second = first + distance,
          .boundary = roi.end()[dim],
          .chunk = chunk,
          .write_shape = std::max(chunk, Nearest(task.write_roi.shape()[dim], chunk)),
          .total_offset = Nearest(begin, chunk) - context};
}

}  // namespace

std::optional<int64_t> FirstToShare(const BlockGrid& grid, int dim, int64_t chunk,
                                    int64_t distance) {
  const int64_t count = grid.counts()[static_cast<size_t>(dim)];
  if (distance >= count) return std::nullopt;
  const Roi first = grid.WriteRoi(GridPoint{});
  const int64_t begin = first.offset()[dim];
  const int64_t w = first.shape()[dim];  // not cut short, since there is a second block
  // Block k's last voxel lies at `rest` in its chunk, and block k + distance begins at
  // rest + 1 + (distance - 1) * w: in the same chunk when rest <= rest_max.
  const Int128 rest_max = Int128{chunk} - 2 - Int128{distance - 1} * w;
  if (rest_max < 0) return std::nullopt;
  const int64_t rest = FloorMod(begin + w - 1, chunk);
  Int128 k = 0;
  if (rest > rest_max) {
    k = FirstInRange(w % chunk, chunk, Int128{chunk} - rest, Int128{chunk} - rest + rest_max);
  }
  if (k < 0 || k >= count - distance) return std::nullopt;
  return static_cast<int64_t>(k);
}

ChunkSharing FindChunkSharing(const TaskSpec& task, const BlockGrid& grid) {
  ChunkSharing result;
  for (int dim = 0; dim < grid.rank(); ++dim) {
    const int64_t free = FreeDistance(task, grid, dim);
    if (const auto k = FirstToShare(grid, dim, task.chunk_shape[dim], free)) {
      return Found(task, grid, Sharing::kAtOnce, dim, *k, free);
    }
    if (result.sharing != Sharing::kNone) continue;
    if (const auto k = FirstToShare(grid, dim, task.chunk_shape[dim], 1)) {
      result = Found(task, grid, Sharing::kInTurn, dim, *k, 1);
    }
  }
  if (result.sharing == Sharing::kNone || task.read_write_conflict != Conflict::kExclusive) {
    return result;
  }
  std::optional<ChunkSharing> diagonal;
  int dims = 0;
  for (int dim = 0; dim < grid.rank(); ++dim) {
    const int64_t distance = ShorterReach(task, dim);
    const auto k = FirstToShare(grid, dim, task.chunk_shape[dim], distance);
    if (!k) continue;
    ++dims;
    if (!diagonal) diagonal = Found(task, grid, Sharing::kAtOnce, dim, *k, distance);
  }
  if (dims >= 2) return *diagonal;
  return result;
}

}  // namespace bellis
