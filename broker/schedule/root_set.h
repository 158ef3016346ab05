#pragma once

// The roots of a task, by ascending index, without visiting its other blocks: level 0 of the
// conflict levels, without the blocks that read what an upstream task writes. Both sets are
// regular, so the roots are kept as a few boxes of a lattice and a cursor in each box.

#include <cstdint>
#include <optional>
#include <vector>

#include "broker/schedule/block_states.h"
#include "broker/schedule/dependency_graph.h"

namespace bellis {

/// Level 0 as a lattice: block first + m * stride has the lattice point m.
class RootLattice {
 public:
  RootLattice() = default;
  RootLattice(const BlockGrid& grid, const ConflictLevels& levels);

  GridBox whole() const { return whole_; }
  GridPoint ToGrid(const GridPoint& m) const;
  /// The lattice points of the blocks of `box`.
  GridBox FromGrid(const GridBox& box) const;

 private:
  GridPoint first_{};
  GridPoint stride_{};
  GridBox whole_;
};

class RootSet {
 public:
  /// Make refuses a task whose roots need more boxes: upstream tasks that overlap in such an odd
  /// way are a mistake.
  static constexpr size_t kBoxesMax = 4096;

  static Result<RootSet> Make(const DependencyGraph& graph, TaskIndex task);

  /// Takes the root with the lowest index. Cost: O(log boxes).
  std::optional<BlockIndex> Pop();
  /// Takes the root with the lowest index and, while they are roots and `max` permits, the blocks
  /// behind it. An empty run: there is no root. Cost: O(rows of the run), with several boxes
  /// O(blocks * log boxes).
  BlockRun PopRun(uint64_t max);
  /// The root that Pop() takes next.
  std::optional<BlockIndex> Peek() const {
    if (cursors_.empty()) return std::nullopt;
    return cursors_.front().index;
  }
  uint64_t remaining() const { return remaining_; }
  void Clear();

 private:
  struct Cursor {
    BlockIndex index;
    GridPoint at;
    GridBox box;
  };
  static bool Later(const Cursor& a, const Cursor& b) { return a.index > b.index; }
  BlockIndex IndexOf(const GridPoint& m) const;

  RootLattice lattice_;
  BlockIndex first_index_ = 0;
  std::array<uint64_t, kRankMax> strides_{};  // of the lattice, in indices
  int rank_ = 0;
  std::vector<Cursor> cursors_;  // heap, the lowest index on top
  uint64_t remaining_ = 0;
};

}  // namespace bellis
