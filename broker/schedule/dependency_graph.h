#pragma once

// Which block waits for which, inside a task and across the tasks of a job. The graph computes its
// answers from the geometry (SEMANTICS "Conflict levels", "Chained tasks") and stores nothing per
// block or per edge: across tasks, the blocks that one block depends on form a box.

#include <cstdint>
#include <memory>
#include <vector>

#include "bellis/job_spec.h"
#include "bellis/result.h"
#include "broker/schedule/block_grid.h"
#include "broker/schedule/block_mask.h"
#include "broker/schedule/conflict_levels.h"

namespace bellis {

/// Position of a task in its job's list.
using TaskIndex = uint32_t;

struct BlockRef {
  TaskIndex task = 0;
  BlockIndex block = 0;
  auto operator<=>(const BlockRef&) const = default;
};

class DependencyGraph {
 public:
  /// Requires a job that passed ValidateJob. Errors: those of BlockGrid::Make.
  static Result<DependencyGraph> Make(const JobSpec& job);

  size_t num_tasks() const { return tasks_.size(); }
  const BlockGrid& grid(TaskIndex task) const { return tasks_[task].grid; }
  const ConflictLevels& levels(TaskIndex task) const { return tasks_[task].levels; }
  Conflict conflict(TaskIndex task) const { return tasks_[task].conflict; }
  /// nullptr when the task has no mask: all of its blocks have work.
  const BlockMask* mask(TaskIndex task) const { return tasks_[task].mask.get(); }
  /// The tasks next to `task`. A position in upstream() is the "ordinal" of that upstream task.
  const std::vector<TaskIndex>& upstream(TaskIndex task) const { return tasks_[task].upstream; }
  const std::vector<TaskIndex>& downstream(TaskIndex task) const { return tasks_[task].downstream; }

  /// The blocks of the upstream task with that ordinal that block `k` of `task` depends on: their
  /// write ROI meets the read ROI of `k`.
  GridBox UpstreamBox(TaskIndex task, size_t ordinal, const GridPoint& k) const;
  /// The blocks of `downstream` that depend on block `k` of `task`.
  GridBox DownstreamBox(TaskIndex task, TaskIndex downstream, const GridPoint& k) const;
  /// The blocks of `task` that depend on any block of the upstream task with that ordinal.
  GridBox DependentBox(TaskIndex task, size_t ordinal) const;

  /// All blocks that `block` depends on, and all that depend on it, in ascending order of task and
  /// index. For tests and for people. Cost: O(blocks returned).
  std::vector<BlockRef> Upstream(BlockRef block) const;
  std::vector<BlockRef> Downstream(BlockRef block) const;

 private:
  struct Task {
    BlockGrid grid;
    ConflictLevels levels;
    Conflict conflict;
    std::unique_ptr<const BlockMask> mask;
    std::vector<TaskIndex> upstream;
    std::vector<TaskIndex> downstream;
  };
  DependencyGraph() = default;

  std::vector<Task> tasks_;  // fixed after construction
};

}  // namespace bellis
