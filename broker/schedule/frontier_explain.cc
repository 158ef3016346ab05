// Answers users who ask why a block is not ready. Nothing here changes the frontier.

#include "broker/schedule/frontier.h"

namespace bellis {

std::optional<BlockRef> Frontier::WaitsFor(BlockRef block) const {
  const GridPoint k = graph_->grid(block.task).PointOf(block.block);
  if (const auto lease = LeaseInTheWay(block)) return BlockRef{block.task, *lease};
  if (const auto index = BlockerInTask(block.task, k)) return BlockRef{block.task, *index};
  for (size_t i = 0; i < graph_->upstream(block.task).size(); ++i) {
    const TaskIndex up = graph_->upstream(block.task)[i];
    const GridBox box = graph_->UpstreamBox(block.task, i, k);
    if (box.empty()) continue;
    int64_t budget = kExplainSearch;
    const auto found = LastUnfinishedIn(up, box, std::nullopt, &budget).found;
    if (found) return BlockRef{up, *found};
  }
  return std::nullopt;
}

std::optional<BlockRef> Frontier::DeadUpstream(BlockRef block) const {
  const GridPoint k = graph_->grid(block.task).PointOf(block.block);
  Neighbours neighbours;
  graph_->levels(block.task).Upstream(k, &neighbours);
  for (const BlockIndex index : neighbours) {
    if (state({block.task, index}) == BlockState::kDead) return BlockRef{block.task, index};
  }
  for (size_t i = 0; i < graph_->upstream(block.task).size(); ++i) {
    const TaskIndex up = graph_->upstream(block.task)[i];
    const GridBox box = graph_->UpstreamBox(block.task, i, k);
    if (box.empty()) continue;
    GridPoint at = box.lo;
    int64_t budget = kExplainSearch;
    do {
      const BlockIndex index = graph_->grid(up).IndexOf(at);
      if (state({up, index}) == BlockState::kDead) return BlockRef{up, index};
    } while (--budget > 0 && box.Next(&at));
  }
  return std::nullopt;
}

std::optional<BlockIndex> Frontier::AnyUnfinished(TaskIndex task) const {
  int64_t budget = kExplainSearch;
  return tasks_[task].states.LastUnfinished(0, tasks_[task].counts.blocks, &budget).found;
}

}  // namespace bellis
