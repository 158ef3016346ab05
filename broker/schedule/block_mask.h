#pragma once

// Which blocks of a grid have work to do, by the task's mask (bellis/mask.h): a block has work
// when its write ROI meets a true voxel. The other blocks are masked.
//
// Along each dimension, blocks that meet the same range of voxels form a *band*; a product of
// bands is a *cell*, all of whose blocks are alike. So a mask of 100^3 voxels over 1,000^3 blocks
// is some 200^3 bits, and regions without work are skipped cell by cell, never block by block:
// for every prefix of a cell's coordinates, one bit says whether any cell below it has work.

#include <cstdint>
#include <optional>
#include <vector>

#include "bellis/mask.h"
#include "broker/schedule/block_grid.h"

namespace bellis {

class BlockMask {
 public:
  /// Requires a mask of the grid's rank that passed ValidateJob.
  /// Cost: O(cells + voxels), at most 2^rank a voxel.
  BlockMask(const BlockGrid& grid, const MaskSpec& mask);

  /// An upper bound on the cost of building the mask: `bytes` of heap memory, and `work`, the
  /// voxels and cells to go over. Requires the same as the constructor. Cost of the call: O(rank).
  struct Cost {
    uint64_t bytes = 0;
    uint64_t work = 0;
  };
  static Cost CostOf(const BlockGrid& grid, const MaskSpec& mask);

  uint64_t masked_blocks() const { return masked_; }

  /// Whether the block has work. Cost: O(rank log bands).
  bool Contains(const GridPoint& k) const;
  bool Contains(BlockIndex index) const { return Contains(grid_.PointOf(index)); }
  /// Whether any block of `box` has work.
  bool Meets(const GridBox& box) const;

  /// The first and the last block with work in [lo, hi). Cost: O(sum of bands), however many masked
  /// blocks are skipped.
  std::optional<BlockIndex> First(BlockIndex lo, BlockIndex hi) const;
  std::optional<BlockIndex> Last(BlockIndex lo, BlockIndex hi) const;
  /// The end of the run of blocks with work that starts at block `index`, which has work. A run
  /// ends with its row at the latest.
  BlockIndex RunEnd(BlockIndex index) const;

  /// Heap memory held, in bytes.
  size_t bytes() const;

 private:
  struct Band {
    int64_t begin;     // in blocks; a band ends where the next one begins
    int64_t voxel_lo;  // the range of voxels that the band's blocks meet; may be empty
    int64_t voxel_hi;
  };
  static std::vector<Band> MakeBands(const BlockGrid& grid, const MaskSpec& mask, int dim);
  void FillCells(const MaskSpec& mask);
  void SetCell(uint64_t cell);
  uint64_t CountBelow(size_t d, uint64_t prefix) const;
  size_t BandOf(size_t d, int64_t position) const;
  int64_t BandEnd(size_t d, size_t band) const;
  bool SeekForward(size_t d, uint64_t prefix, bool from_start, GridPoint* k) const;
  bool SeekBackward(size_t d, uint64_t prefix, bool from_end, GridPoint* k) const;
  bool MeetsBelow(size_t d, uint64_t prefix, const GridBox& box) const;

  // Fixed after construction.
  BlockGrid grid_;
  size_t rank_;
  std::vector<std::vector<Band>> bands_;  // by dimension
  // By dimension d: whether any block in bands (b0 .. bd) has work; for the last d, these are
  // cells.
  std::vector<std::vector<bool>> any_;
  uint64_t masked_ = 0;
};

}  // namespace bellis
