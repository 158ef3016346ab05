#include "broker/schedule/conflict_levels.h"

namespace bellis {

ConflictLevels::ConflictLevels(const BlockGrid& grid, bool conflict)
    : rank_(grid.rank()), num_levels_(grid.num_blocks() == 0 ? 0 : 1), counts_(grid.counts()) {
  for (int dim = 0; dim < rank_; ++dim) {
    const auto d = static_cast<size_t>(dim);
    index_strides_[d] = grid.index_stride(dim);
    strides_[d] = 1;
    if (!conflict || num_levels_ == 0) continue;
    strides_[d] = std::min(grid.ConflictReach(dim), counts_[d]);
    num_levels_ *= static_cast<uint64_t>(strides_[d]);
  }
}

GridPoint ConflictLevels::OffsetOf(const GridPoint& k) const {
  GridPoint offset{};
  for (size_t d = 0; d < static_cast<size_t>(rank_); ++d) {
    offset[d] = strides_[d] == 1 ? 0 : k[d] % strides_[d];
  }
  return offset;
}

uint64_t ConflictLevels::LevelOf(const GridPoint& k) const {
  // Offsets count in reverse lexicographic order.
  uint64_t rank_of_offset = 0;
  for (size_t d = 0; d < static_cast<size_t>(rank_); ++d) {
    if (strides_[d] == 1) continue;
    rank_of_offset = rank_of_offset * static_cast<uint64_t>(strides_[d]) +
                     static_cast<uint64_t>(k[d] % strides_[d]);
  }
  return num_levels_ - 1 - rank_of_offset;
}

GridPoint ConflictLevels::first_root() const {
  GridPoint k{};
  for (size_t d = 0; d < static_cast<size_t>(rank_); ++d) k[d] = strides_[d] - 1;
  return k;
}

void ConflictLevels::Upstream(const GridPoint& k, Neighbours* out) const {
  out->count = 0;
  if (num_levels_ <= 1) return;
  // The previous level has the lexicographically next offset.
  const GridPoint from = OffsetOf(k);
  GridPoint to = from;
  for (size_t d = static_cast<size_t>(rank_); d-- > 0;) {
    if (++to[d] < strides_[d]) return Step(k, from, to, out);
    to[d] = 0;
  }
}

void ConflictLevels::Downstream(const GridPoint& k, Neighbours* out) const {
  out->count = 0;
  if (num_levels_ <= 1) return;
  const GridPoint from = OffsetOf(k);
  GridPoint to = from;
  for (size_t d = static_cast<size_t>(rank_); d-- > 0;) {
    if (--to[d] >= 0) return Step(k, from, to, out);
    to[d] = strides_[d] - 1;
  }
}

void ConflictLevels::Step(const GridPoint& k, const GridPoint& from, const GridPoint& to,
                          Neighbours* out) const {
  out->index[0] = 0;
  out->count = 1;
  for (size_t d = 0; d < static_cast<size_t>(rank_); ++d) {
    const int64_t p = to[d] - from[d];
    const int64_t near = k[d] + p;
    const int64_t far = p < 0 ? near + strides_[d] : near - strides_[d];
    const bool take_near = near >= 0 && near < counts_[d];
    const bool take_far = p != 0 && far >= 0 && far < counts_[d];
    const size_t count = out->count;
    if (take_near && take_far) {
      for (size_t i = 0; i < count; ++i) {
        out->index[count + i] = out->index[i] + static_cast<uint64_t>(far) * index_strides_[d];
        out->index[i] += static_cast<uint64_t>(near) * index_strides_[d];
      }
      out->count = 2 * count;
    } else if (take_near || take_far) {
      const auto step = static_cast<uint64_t>(take_near ? near : far) * index_strides_[d];
      for (size_t i = 0; i < count; ++i) out->index[i] += step;
    } else {
      out->count = 0;
      return;
    }
  }
}

}  // namespace bellis
