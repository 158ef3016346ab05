#include "broker/schedule/dependency_graph.h"

#include <algorithm>
#include <utility>

#include "common/task/pipeline.h"

namespace bellis {
namespace {

void AppendBox(const BlockGrid& grid, TaskIndex task, const GridBox& box,
               std::vector<BlockRef>* out) {
  if (box.empty()) return;
  GridPoint k = box.lo;
  do {
    out->push_back({task, grid.IndexOf(k)});
  } while (box.Next(&k));
}

}  // namespace

Result<DependencyGraph> DependencyGraph::Make(const JobSpec& job) {
  DependencyGraph graph;
  const auto upstream = UpstreamPositions(job);
  for (size_t t = 0; t < job.tasks.size(); ++t) {
    auto grid = BlockGrid::Make(job.tasks[t]);
    if (!grid.ok()) return grid.error();
    const Conflict conflict = job.tasks[t].read_write_conflict;
    Task task{*grid, ConflictLevels(*grid, conflict == Conflict::kOrdered), conflict, nullptr, {},
              {}};
    if (job.tasks[t].mask) task.mask = std::make_unique<BlockMask>(*grid, *job.tasks[t].mask);
    for (const size_t u : upstream[t]) task.upstream.push_back(static_cast<TaskIndex>(u));
    graph.tasks_.push_back(std::move(task));
  }
  for (size_t t = 0; t < job.tasks.size(); ++t) {
    for (const TaskIndex u : graph.tasks_[t].upstream) {
      graph.tasks_[u].downstream.push_back(static_cast<TaskIndex>(t));
    }
  }
  return graph;
}

GridBox DependencyGraph::UpstreamBox(TaskIndex task, size_t ordinal, const GridPoint& k) const {
  const Task& t = tasks_[task];
  return grid(t.upstream[ordinal]).WritersOf(t.grid.ReadRoi(k));
}

GridBox DependencyGraph::DownstreamBox(TaskIndex task, TaskIndex downstream,
                                       const GridPoint& k) const {
  return grid(downstream).ReadersOf(grid(task).WriteRoi(k));
}

GridBox DependencyGraph::DependentBox(TaskIndex task, size_t ordinal) const {
  const BlockGrid& up = grid(tasks_[task].upstream[ordinal]);
  if (up.num_blocks() == 0) return GridBox{{}, {}, grid(task).rank()};
  // Write ROIs tile without gaps, so the upstream task as a whole writes one ROI.
  const Roi written =
      up.WriteRoi(up.PointOf(0)).Union(up.WriteRoi(up.PointOf(up.num_blocks() - 1)));
  return grid(task).ReadersOf(written);
}

std::vector<BlockRef> DependencyGraph::Upstream(BlockRef block) const {
  std::vector<BlockRef> blocks;
  const GridPoint k = grid(block.task).PointOf(block.block);
  Neighbours neighbours;
  levels(block.task).Upstream(k, &neighbours);
  for (const BlockIndex index : neighbours) blocks.push_back({block.task, index});
  for (size_t i = 0; i < upstream(block.task).size(); ++i) {
    const TaskIndex u = upstream(block.task)[i];
    AppendBox(grid(u), u, UpstreamBox(block.task, i, k), &blocks);
  }
  std::sort(blocks.begin(), blocks.end());
  return blocks;
}

std::vector<BlockRef> DependencyGraph::Downstream(BlockRef block) const {
  std::vector<BlockRef> blocks;
  const GridPoint k = grid(block.task).PointOf(block.block);
  Neighbours neighbours;
  levels(block.task).Downstream(k, &neighbours);
  for (const BlockIndex index : neighbours) blocks.push_back({block.task, index});
  for (const TaskIndex t : downstream(block.task)) {
    AppendBox(grid(t), t, DownstreamBox(block.task, t, k), &blocks);
  }
  std::sort(blocks.begin(), blocks.end());
  return blocks;
}

}  // namespace bellis
