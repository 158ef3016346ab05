#pragma once

// The grid of a task as `welcome` tells it to a worker that is given runs of blocks.

#include <optional>
#include <vector>

#include "bellis/job_spec.h"
#include "bellis/result.h"
#include "common/protocol/messages.h"
#include "common/task/block_tiling.h"

namespace bellis {

/// `tiling` is that of `task`.
TaskGrid GridOf(const TaskSpec& task, const BlockTiling& tiling);

/// The tiling that the grid is of. Errors (kBadMessage): it is not the grid of any task.
Result<BlockTiling> TilingOf(const TaskGrid& grid);

/// The blocks of a hand-out, in the order of their leases. Errors (kBadMessage): it has runs, and
/// there is no tiling, or they lie outside of it.
Result<std::vector<LeasedBlock>> Unfold(const WorkMsg& work,
                                        const std::optional<BlockTiling>& tiling);

}  // namespace bellis
