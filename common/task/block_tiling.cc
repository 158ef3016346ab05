#include "common/task/block_tiling.h"

#include <algorithm>
#include <string>

#include "common/geometry/cantor.h"
#include "common/task/tiling.h"

namespace bellis {

Result<BlockTiling> BlockTiling::Make(const TaskSpec& task) {
  if (const auto trouble = FindTilingTrouble(task, FieldPath())) {
    return Error{ErrorCode::kInvalidSpec, "task \"" + task.task_id + "\": " +
                                              trouble->path.ToString() + " " + trouble->words};
  }
  BlockTiling tiling;
  const int rank = task.total_roi.rank();
  tiling.rank_ = rank;
  tiling.shrink_ = task.fit == Fit::kShrink;
  const Coordinate before = ContextBefore(task);
  const Coordinate behind = ContextBehind(task);
  const Coordinate total_end = task.total_roi.end();
  const Coordinate counts = BlocksPerDimension(task);
  const Coordinate id_offset = IdOffset(task);
  uint64_t blocks = 1;
  GridPoint last{};  // the block with the greatest id
  for (int dim = 0; dim < rank; ++dim) {
    const auto d = static_cast<size_t>(dim);
    tiling.write_shape_[d] = task.write_roi.shape()[dim];
    tiling.lo_[d] = before[dim];
    tiling.hi_[d] = behind[dim];
    tiling.total_begin_[d] = task.total_roi.offset()[dim];
    tiling.total_end_[d] = total_end[dim];
    tiling.write_begin_[d] = tiling.total_begin_[d] + tiling.lo_[d];
    tiling.write_end_[d] = tiling.total_end_[d] - tiling.hi_[d];
    tiling.counts_[d] = counts[dim];
    tiling.id_offset_[d] = id_offset[dim];
    last[d] = tiling.counts_[d] - 1 + tiling.id_offset_[d];
  }
  for (size_t d = static_cast<size_t>(rank); d-- > 0;) {
    tiling.index_strides_[d] = blocks;
    blocks *= static_cast<uint64_t>(tiling.counts_[d]);
  }
  if (blocks == 0) {
    tiling.counts_ = tiling.id_offset_ = {};
    tiling.index_strides_ = {};
    return tiling;
  }
  tiling.num_blocks_ = blocks;
  tiling.small_ids_ = CantorFitsSmall(last.data(), rank);
  return tiling;
}

GridPoint BlockTiling::PointOf(BlockIndex index) const {
  GridPoint k{};
  for (size_t d = 0; d + 1 < static_cast<size_t>(rank_); ++d) {
    const uint64_t quotient = index / index_strides_[d];
    k[d] = static_cast<int64_t>(quotient);
    index -= quotient * index_strides_[d];
  }
  k[static_cast<size_t>(rank_ - 1)] = static_cast<int64_t>(index);
  return k;
}

CantorId BlockTiling::IdOf(const GridPoint& k) const {
  GridPoint q{};
  for (size_t d = 0; d < static_cast<size_t>(rank_); ++d) q[d] = k[d] + id_offset_[d];
  return small_ids_ ? CantorNumberSmall(q.data(), rank_) : *CantorNumber(q.data(), rank_);
}

Roi BlockTiling::WriteRoi(const GridPoint& k) const {
  Coordinate begin = Coordinate::Filled(rank_, 0);
  Coordinate shape = begin;
  for (int dim = 0; dim < rank_; ++dim) {
    const auto d = static_cast<size_t>(dim);
    begin[dim] = write_begin_[d] + k[d] * write_shape_[d];
    int64_t end = begin[dim] + write_shape_[d];
    if (shrink_) end = std::min(end, write_end_[d]);
    shape[dim] = end - begin[dim];
  }
  return Roi(begin, shape);
}

Roi BlockTiling::ReadRoi(const GridPoint& k) const {
  Coordinate begin = Coordinate::Filled(rank_, 0);
  Coordinate shape = begin;
  for (int dim = 0; dim < rank_; ++dim) {
    const auto d = static_cast<size_t>(dim);
    const int64_t write = write_begin_[d] + k[d] * write_shape_[d];
    int64_t lo = write - lo_[d];
    int64_t hi = write + write_shape_[d] + hi_[d];
    if (shrink_) {
      lo = std::clamp(lo, total_begin_[d], total_end_[d]);
      hi = std::clamp(hi, lo, total_end_[d]);
    }
    begin[dim] = lo;
    shape[dim] = hi - lo;
  }
  return Roi(begin, shape);
}

}  // namespace bellis
