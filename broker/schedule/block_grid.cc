#include "broker/schedule/block_grid.h"

#include <algorithm>
#include <utility>

#include "broker/schedule/mutation.h"
#include "common/geometry/cantor.h"
#include "common/geometry/checked.h"

namespace bellis {

Result<BlockGrid> BlockGrid::Make(const TaskSpec& task) {
  Result<BlockTiling> tiling = BlockTiling::Make(task);
  if (!tiling.ok()) return tiling.error();
  BlockGrid grid(std::move(tiling).value());
  if (Mutated(Mutation::kIdOffsetForgotten)) grid.id_offset_ = {};
  return grid;
}

GridBox BlockGrid::whole() const { return GridBox{{}, counts_, rank_}; }

std::optional<BlockIndex> BlockGrid::IndexOfId(CantorId id) const {
  if (num_blocks_ == 0 || id < 0) return std::nullopt;
  GridPoint k{};
  CantorTuple(id, rank_, k.data());
  for (size_t d = 0; d < static_cast<size_t>(rank_); ++d) k[d] -= id_offset_[d];
  if (!whole().Contains(k)) return std::nullopt;
  return IndexOf(k);
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
