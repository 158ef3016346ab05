#pragma once

// The order in which the conflicting blocks of one task run (SEMANTICS "Conflict levels").
//
// Blocks are coloured by their position modulo `stride`, the distance (in blocks) from which two
// blocks no longer conflict. One colour is one level; no two blocks of a level conflict. With
// stride (2, 2), the last offset of the product first:
//
//       3 2 3 2 3        level 0 runs first, everywhere at once;
//       1 0 1 0 1        a block of level L waits for the neighbours of level L-1 that its
//       3 2 3 2 3        colour's step reaches. This orders every conflicting pair, by
//                        transitivity, so a block need not look at any others.
//
// Arithmetic on positions; nothing is stored per block or per level.

#include <cstdint>

#include "broker/schedule/block_grid.h"

namespace bellis {

/// At most 2^rank neighbours, in the order in which Upstream and Downstream compute them.
struct Neighbours {
  std::array<BlockIndex, size_t{1} << kRankMax> index;
  size_t count = 0;
  const BlockIndex* begin() const { return index.data(); }
  const BlockIndex* end() const { return index.data() + count; }
};

class ConflictLevels {
 public:
  /// `conflict` false: one level, no neighbours.
  ConflictLevels(const BlockGrid& grid, bool conflict);

  /// 0 for a grid without blocks.
  uint64_t num_levels() const { return num_levels_; }
  const GridPoint& strides() const { return strides_; }
  uint64_t LevelOf(const GridPoint& k) const;

  /// The blocks that `k` waits for, all from the previous level; none at level 0.
  void Upstream(const GridPoint& k, Neighbours* out) const;
  /// The blocks that wait for `k`, all from the next level. The inverse of Upstream.
  void Downstream(const GridPoint& k, Neighbours* out) const;

  /// Where level 0 starts: its blocks are first_root + m * stride.
  GridPoint first_root() const;

 private:
  void Step(const GridPoint& k, const GridPoint& from, const GridPoint& to, Neighbours* out) const;
  GridPoint OffsetOf(const GridPoint& k) const;

  // Fixed after construction.
  int rank_;
  uint64_t num_levels_;
  GridPoint strides_{};
  GridPoint counts_{};
  std::array<uint64_t, kRankMax> index_strides_{};
};

}  // namespace bellis
