#pragma once

// The grid of a task's blocks: their tiling (common/task/block_tiling.h), and which of them meet a
// ROI or may conflict. Arithmetic only.

#include <cstdint>
#include <optional>

#include "bellis/job_spec.h"
#include "bellis/result.h"
#include "bellis/roi.h"
#include "broker/schedule/grid_box.h"
#include "common/ids.h"
#include "common/task/block_tiling.h"

namespace bellis {

class BlockGrid : public BlockTiling {
 public:
  /// As BlockTiling::Make.
  static Result<BlockGrid> Make(const TaskSpec& task);

  GridBox whole() const;
  /// The block with that id; nullopt when the grid has no such block.
  std::optional<BlockIndex> IndexOfId(CantorId id) const;

  /// WritersOf: the blocks whose write ROI meets `roi`. ReadersOf: the blocks whose read ROI meets
  /// `roi`. Cost: O(rank).
  GridBox WritersOf(const Roi& roi) const;
  GridBox ReadersOf(const Roi& roi) const;

  /// The distance, in blocks along `dim`, from which two blocks cannot conflict any more: the
  /// stride of the conflict levels. >= 1. It may exceed the grid.
  int64_t ConflictReach(int dim) const;

 private:
  explicit BlockGrid(const BlockTiling& tiling) : BlockTiling(tiling) {}
};

}  // namespace bellis
