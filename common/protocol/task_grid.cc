#include "common/protocol/task_grid.h"

#include <algorithm>
#include <string>

#include "common/task/job_rules.h"

namespace bellis {
namespace {

Error NoGrid(const std::string& why) {
  return {ErrorCode::kBadMessage, "welcome.grid is not the grid of a task: " + why};
}

bool IsWithinWorld(const Roi& roi, int64_t shape_min) {
  return !FindBoxTrouble(FieldPath(), {roi.offset().begin(), static_cast<size_t>(roi.rank())},
                         {roi.shape().begin(), static_cast<size_t>(roi.rank())}, shape_min);
}

}  // namespace

TaskGrid GridOf(const TaskSpec& task, const BlockTiling& tiling) {
  TaskGrid grid;
  for (int d = 0; d < tiling.rank(); ++d) {
    grid.shape.push_back(static_cast<uint64_t>(tiling.counts()[static_cast<size_t>(d)]));
  }
  const Coordinate begin = task.total_roi.offset();
  grid.read = Roi(begin, task.read_roi.shape());
  grid.write =
      Roi(begin + task.write_roi.offset() - task.read_roi.offset(), task.write_roi.shape());
  grid.total = task.total_roi;
  grid.fit = task.fit;
  return grid;
}

Result<BlockTiling> TilingOf(const TaskGrid& grid) {
  const int rank = grid.total.rank();
  if (rank != grid.read.rank() || rank != grid.write.rank() ||
      grid.shape.size() != static_cast<size_t>(rank)) {
    return NoGrid("its numbers of dimensions differ");
  }
  if (!IsWithinWorld(grid.total, 0) || !IsWithinWorld(grid.read, 0) ||
      !IsWithinWorld(grid.write, 1)) {
    return NoGrid("a ROI is empty, or reaches beyond 2^61");
  }
  TaskSpec task;
  task.total_roi = grid.total;
  task.read_roi = grid.read;
  task.write_roi = grid.write;
  task.fit = grid.fit;
  Result<BlockTiling> tiling = BlockTiling::Make(task);
  if (!tiling.ok()) return NoGrid(tiling.error().message);
  for (size_t d = 0; d < grid.shape.size(); ++d) {
    if (grid.shape[d] != static_cast<uint64_t>(tiling->counts()[d])) {
      return NoGrid("its ROIs do not make as many blocks as its shape says");
    }
  }
  return tiling;
}

Result<std::vector<LeasedBlock>> Unfold(const WorkMsg& work,
                                        const std::optional<BlockTiling>& tiling) {
  std::vector<LeasedBlock> blocks = work.blocks;
  for (const WorkRun& run : work.runs) {
    const uint64_t all = tiling ? tiling->num_blocks() : 0;
    if (run.index >= all || all - run.index < run.count) {
      return Error{ErrorCode::kBadMessage, "work.runs has blocks " + std::to_string(run.index) +
                                               " to " + std::to_string(run.index + run.count - 1) +
                                               "; expected blocks of a grid of " +
                                               std::to_string(all)};
    }
    for (uint32_t i = 0; i < run.count; ++i) {
      const GridPoint k = tiling->PointOf(run.index + i);
      blocks.push_back({LeaseId(run.lease.value + i), run.index + i, tiling->IdOf(k),
                        tiling->ReadRoi(k), tiling->WriteRoi(k), 1});
    }
  }
  std::sort(blocks.begin(), blocks.end(),
            [](const LeasedBlock& a, const LeasedBlock& b) { return a.lease < b.lease; });
  return blocks;
}

}  // namespace bellis
