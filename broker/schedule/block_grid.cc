#include "broker/schedule/block_grid.h"

#include <algorithm>
#include <string>

#include "broker/schedule/mutation.h"
#include "common/geometry/cantor.h"
#include "common/geometry/checked.h"
#include "common/task/tiling.h"

namespace bellis {
Result<BlockGrid> BlockGrid::Make(const TaskSpec& task) {
  if (const auto trouble = FindTilingTrouble(task, FieldPath())) {
    return Error{ErrorCode::kInvalidSpec, "task \"" + task.task_id + "\": " +
                                              trouble->path.ToString() + " " + trouble->words};
  }
  BlockGrid grid;
  const int rank = task.total_roi.rank();
  grid.rank_ = rank;
  grid.shrink_ = task.fit == Fit::kShrink;
  const Coordinate before = ContextBefore(task);
  const Coordinate behind = ContextBehind(task);
  const Coordinate total_end = task.total_roi.end();
  const Coordinate counts = BlocksPerDimension(task);
  const Coordinate id_offset = IdOffset(task);
  uint64_t blocks = 1;
  GridPoint last{};  // the block with the greatest id
  for (int dim = 0; dim < rank; ++dim) {
    const auto d = static_cast<size_t>(dim);
    grid.write_shape_[d] = task.write_roi.shape()[dim];
    grid.lo_[d] = before[dim];
    grid.hi_[d] = behind[dim];
    grid.total_begin_[d] = task.total_roi.offset()[dim];
    grid.total_end_[d] = total_end[dim];
    grid.write_begin_[d] = grid.total_begin_[d] + grid.lo_[d];
    grid.write_end_[d] = grid.total_end_[d] - grid.hi_[d];
    grid.counts_[d] = counts[dim];
    if (!Mutated(Mutation::kIdOffsetForgotten)) grid.id_offset_[d] = id_offset[dim];
    last[d] = grid.counts_[d] - 1 + grid.id_offset_[d];
  }
  for (size_t d = static_cast<size_t>(rank); d-- > 0;) {
    grid.index_strides_[d] = blocks;
    blocks *= static_cast<uint64_t>(grid.counts_[d]);
  }
  if (blocks == 0) {
    grid.counts_ = grid.id_offset_ = {};
    grid.index_strides_ = {};
    return grid;
  }
  grid.num_blocks_ = blocks;
  grid.small_ids_ = CantorFitsSmall(last.data(), rank);
  return grid;
}

GridBox BlockGrid::whole() const { return GridBox{{}, counts_, rank_}; }

GridPoint BlockGrid::PointOf(BlockIndex index) const {
  GridPoint k{};
  for (size_t d = 0; d + 1 < static_cast<size_t>(rank_); ++d) {
    const uint64_t quotient = index / index_strides_[d];
    k[d] = static_cast<int64_t>(quotient);
    index -= quotient * index_strides_[d];
  }
  k[static_cast<size_t>(rank_ - 1)] = static_cast<int64_t>(index);
  return k;
}

CantorId BlockGrid::IdOf(const GridPoint& k) const {
  GridPoint q{};
  for (size_t d = 0; d < static_cast<size_t>(rank_); ++d) q[d] = k[d] + id_offset_[d];
  return small_ids_ ? CantorNumberSmall(q.data(), rank_) : *CantorNumber(q.data(), rank_);
}

std::optional<BlockIndex> BlockGrid::IndexOfId(CantorId id) const {
  if (num_blocks_ == 0 || id < 0) return std::nullopt;
  GridPoint k{};
  CantorTuple(id, rank_, k.data());
  for (size_t d = 0; d < static_cast<size_t>(rank_); ++d) k[d] -= id_offset_[d];
  if (!whole().Contains(k)) return std::nullopt;
  return IndexOf(k);
}

Roi BlockGrid::WriteRoi(const GridPoint& k) const {
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

Roi BlockGrid::ReadRoi(const GridPoint& k) const {
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

GridBox BlockGrid::WritersOf(const Roi& roi) const {
  GridBox box{{}, {}, rank_};
  if (num_blocks_ == 0) return box;
  for (int dim = 0; dim < rank_; ++dim) {
    const auto d = static_cast<size_t>(dim);
    const int64_t begin = roi.offset()[dim];
    int64_t end = begin + roi.shape()[dim];
    if (shrink_) end = std::min(end, write_end_[d]);
    if (begin >= end) return GridBox{{}, {}, rank_};
    box.lo[d] = std::max<int64_t>(0, FloorDiv(begin - write_begin_[d], write_shape_[d]));
    box.hi[d] = std::min(counts_[d], CeilDiv(end - write_begin_[d], write_shape_[d]));
    if (box.lo[d] >= box.hi[d]) return GridBox{{}, {}, rank_};
  }
  return box;
}

GridBox BlockGrid::ReadersOf(const Roi& roi) const {
  GridBox box{{}, {}, rank_};
  if (num_blocks_ == 0) return box;
  for (int dim = 0; dim < rank_; ++dim) {
    const auto d = static_cast<size_t>(dim);
    int64_t begin = roi.offset()[dim];
    int64_t end = begin + roi.shape()[dim];
    if (shrink_ && !Mutated(Mutation::kShrinkForgotten)) {
      begin = std::max(begin, total_begin_[d]);
      end = std::min(end, total_end_[d]);
    }
    if (begin >= end) return GridBox{{}, {}, rank_};
    // read.begin(k) < end  and  read.end(k) > begin
    const int64_t w = write_shape_[d];
    box.lo[d] = std::max<int64_t>(0, FloorDiv(begin - write_begin_[d] - w - hi_[d], w) + 1);
    box.hi[d] = std::min(counts_[d], CeilDiv(end - write_begin_[d] + lo_[d], w));
    if (box.lo[d] >= box.hi[d]) return GridBox{{}, {}, rank_};
  }
  return box;
}

int64_t BlockGrid::ConflictReach(int dim) const {
  const auto d = static_cast<size_t>(dim);
  const int64_t context = std::max(lo_[d], hi_[d]);
  const int64_t reach = CeilDiv(context + write_shape_[d], write_shape_[d]);
  return std::max<int64_t>(1, Mutated(Mutation::kStrideOffByOne) ? reach - 1 : reach);
}

}  // namespace bellis
