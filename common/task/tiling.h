#pragma once

// How many blocks a task has, and whether they can be counted, named and placed (SEMANTICS
// "Tiling"). Private to common/task and the scheduler's grid.

#include <optional>

#include "bellis/coordinate.h"
#include "bellis/job_spec.h"
#include "common/task/field_path.h"

namespace bellis {

/// Blocks of a task; more is refused.
inline constexpr int64_t kBlocksMax = int64_t{1} << 62;

/// What a block reads beyond what it writes, before and behind, along each dimension. Negative
/// where it reads less. Requires ROIs of one rank, within the world's limits.
Coordinate ContextBefore(const TaskSpec& task);
Coordinate ContextBehind(const TaskSpec& task);

/// Blocks along each dimension: write ROIs that fit into (or, unless fit is valid, are needed to
/// cover) the total ROI less the context. At most kBlocksMax + 1, however many there were.
/// Requires the same.
Coordinate BlocksPerDimension(const TaskSpec& task);

/// The position of block (0, 0, ...) in the grid that ids are counted in: whole blocks by which the
/// context sets it in; zeros where a context is negative.
Coordinate IdOffset(const TaskSpec& task);

/// What is wrong with the tiling of the task at `path`: more than kBlocksMax blocks, a block beyond
/// +-kWorldMax, an id beyond a signed 64-bit integer. Requires the same. Cost: O(rank^2).
std::optional<Trouble> FindTilingTrouble(const TaskSpec& task, const FieldPath& path);

}  // namespace bellis
