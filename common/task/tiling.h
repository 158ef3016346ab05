#pragma once

// How many blocks a task has, and whether they can be counted, named and placed (SEMANTICS
// "Tiling"). Private to common/task and the scheduler's grid.

#include <optional>

#include "bellis/coordinate.h"
#include "bellis/job_spec.h"
#include "common/task/field_path.h"

namespace bellis {

/// The most blocks of a task.
inline constexpr int64_t kBlocksMax = int64_t{1} << 62;

/// The context of a block before and behind the ROI that it writes, along each dimension. Negative
/// where it reads less than it writes. Requires ROIs of the same rank, within the world's limits.
Coordinate ContextBefore(const TaskSpec& task);
Coordinate ContextBehind(const TaskSpec& task);

/// The number of blocks along each dimension: how many write ROIs fit into the total ROI without
/// the context or, unless fit is valid, are needed to cover it. Larger numbers are returned as
/// kBlocksMax + 1. Requires the same.
Coordinate BlocksPerDimension(const TaskSpec& task);

/// The position of block (0, 0, ...) in the grid that block ids count: the number of whole blocks
/// in the context before it; 0 where the context is negative.
Coordinate IdOffset(const TaskSpec& task);

/// Checks the tiling of the task at `path`. Trouble: more than kBlocksMax blocks, a block beyond
/// +-kWorldMax, an id that does not fit in a signed 64-bit integer. Requires the same. Cost:
/// O(rank^2).
std::optional<Trouble> FindTilingTrouble(const TaskSpec& task, const FieldPath& path);

}  // namespace bellis
