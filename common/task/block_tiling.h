#pragma once

// Tiling of a task's total ROI by blocks (SEMANTICS "Tiling"): where each block lies, and what it
// is called. Arithmetic only: nothing is stored per block, so a grid of 10^9 blocks costs as much
// as a grid of one. The broker's grid (broker/schedule/block_grid.h) and a worker that is given
// runs of blocks share it.
//
//      total_roi       |----------------------------------------|
//      total_write |--------------------------------| (total_roi without the context) write of
//      block k [ 0 ][ 1 ][ 2 ] ... (stride: shape of write_roi) read of block 1 |lo| [ 1 ] |hi|
//      (write grown by the context)
//
// A block is named by its position `k` in the grid, by its `index` (row-major rank of k), and by
// the Cantor id that users see.

#include <array>
#include <cstdint>

#include "bellis/job_spec.h"
#include "bellis/result.h"
#include "bellis/roi.h"
#include "common/ids.h"

namespace bellis {

/// Position of a block in its grid, in blocks; only the first `rank` numbers of the grid count.
using GridPoint = std::array<int64_t, kRankMax>;

class BlockTiling {
 public:
  /// Requires ROIs of one rank, within the world's limits. Errors (kInvalidSpec): what
  /// FindTilingTrouble finds. A task that passed ValidateJob has no such trouble.
  static Result<BlockTiling> Make(const TaskSpec& task);

  int rank() const { return rank_; }
  uint64_t num_blocks() const { return num_blocks_; }
  /// Blocks per dimension. If one of the counts is zero, all are.
  const GridPoint& counts() const { return counts_; }
  /// Distance of neighbours along a dimension, in indices.
  uint64_t index_stride(int dim) const { return index_strides_[static_cast<size_t>(dim)]; }

  /// Requires index < num_blocks().
  GridPoint PointOf(BlockIndex index) const;
  BlockIndex IndexOf(const GridPoint& k) const {
    uint64_t index = 0;
    for (size_t d = 0; d < static_cast<size_t>(rank_); ++d) {
      index += static_cast<uint64_t>(k[d]) * index_strides_[d];
    }
    return index;
  }
  CantorId IdOf(const GridPoint& k) const;

  Roi ReadRoi(const GridPoint& k) const;
  Roi WriteRoi(const GridPoint& k) const;

 protected:
  BlockTiling() = default;

  // Fixed after construction; numbers per dimension, in world units unless said otherwise.
  int rank_ = 0;
  uint64_t num_blocks_ = 0;
  GridPoint counts_{};
  std::array<uint64_t, kRankMax> index_strides_{};
  GridPoint write_begin_{};  // of the total write ROI
  GridPoint write_end_{};
  GridPoint total_begin_{};
  GridPoint total_end_{};
  GridPoint write_shape_{};
  GridPoint lo_{};  // context below and above; negative only without conflict
  GridPoint hi_{};
  GridPoint id_offset_{};  // in blocks
  bool shrink_ = false;
  bool small_ids_ = false;  // Cantor arithmetic fits in 64 bits
};

}  // namespace bellis
