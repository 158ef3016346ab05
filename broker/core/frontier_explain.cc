// Why a block is not ready: the questions of people. Nothing here changes anything.

#include <algorithm>

#include "broker/core/conflict_neighbours.h"
#include "broker/core/frontier.h"

namespace bellis {

std::optional<BlockRef> Frontier::WaitsFor(BlockRef block) const {
  const Task& t = tasks_[block.task];
  const BlockGrid& grid = graph_->grid(block.task);
  const GridPoint k = grid.PointOf(block.block);
  if (const auto lease = LeaseInTheWay(block)) return BlockRef{block.task, *lease};
  const ConflictLevels& levels = graph_->levels(block.task);
  Neighbours neighbours;
  levels.Upstream(k, &neighbours);
  for (const BlockIndex index : neighbours) {
    if (t.states.Get(index) != BlockState::kCompleted) return BlockRef{block.task, index};
  }
  if (t.direct) {
    std::optional<BlockRef> found;
    const uint64_t level = levels.LevelOf(k);
    AnyConflicting(grid, k, [&](const GridPoint& other) {
      const BlockIndex index = grid.IndexOf(other);
      const BlockState state = t.states.Get(index);
      if (levels.LevelOf(other) >= level || state == BlockState::kCompleted ||
          state == BlockState::kDead) {
        return false;
      }
      found = BlockRef{block.task, index};
      return true;
    });
    if (found) return found;
  }
  for (size_t i = 0; i < graph_->upstream(block.task).size(); ++i) {
    const TaskIndex up = graph_->upstream(block.task)[i];
    const GridBox box = graph_->UpstreamBox(block.task, i, k);
    if (box.empty()) continue;
    int64_t budget = kExplainSearch;
    // Row by row from the last, which is what it most likely watches.
    const auto last_dim = static_cast<size_t>(box.rank) - 1;
    GridPoint row = box.hi;
    for (size_t d = 0; d <= last_dim; ++d) --row[d];
    row[last_dim] = box.lo[last_dim];
    while (budget > 0) {
      const BlockIndex begin = graph_->grid(up).IndexOf(row);
      const BlockIndex end = begin + static_cast<uint64_t>(box.hi[last_dim] - box.lo[last_dim]);
      const auto search = tasks_[up].states.LastUnfinished(begin, end, &budget);
      if (search.found) return BlockRef{up, *search.found};
      size_t d = last_dim;
      while (d > 0 && --row[d - 1] < box.lo[d - 1]) {
        row[d - 1] = box.hi[d - 1] - 1;
        --d;
      }
      if (d == 0) break;
    }
  }
  return std::nullopt;
}

std::optional<BlockRef> Frontier::DeadUpstream(BlockRef block) const {
  const GridPoint k = graph_->grid(block.task).PointOf(block.block);
  Neighbours neighbours;
  graph_->levels(block.task).Upstream(k, &neighbours);
  for (const BlockIndex index : neighbours) {
    if (tasks_[block.task].states.Get(index) == BlockState::kDead) {
      return BlockRef{block.task, index};
    }
  }
  for (size_t i = 0; i < graph_->upstream(block.task).size(); ++i) {
    const TaskIndex up = graph_->upstream(block.task)[i];
    const GridBox box = graph_->UpstreamBox(block.task, i, k);
    if (box.empty()) continue;
    GridPoint at = box.lo;
    int64_t budget = kExplainSearch;
    do {
      const BlockIndex index = graph_->grid(up).IndexOf(at);
      if (tasks_[up].states.Get(index) == BlockState::kDead) return BlockRef{up, index};
    } while (--budget > 0 && box.Next(&at));
  }
  return std::nullopt;
}

std::optional<BlockIndex> Frontier::AnyUnfinished(TaskIndex task) const {
  int64_t budget = kExplainSearch;
  return tasks_[task].states.LastUnfinished(0, tasks_[task].counts.blocks, &budget).found;
}

}  // namespace bellis
