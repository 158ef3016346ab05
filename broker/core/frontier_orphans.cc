// What a block that failed takes with it.

#include <utility>

#include "broker/core/frontier.h"
#include "broker/core/mutation.h"
#include "common/check.h"

namespace bellis {

void Frontier::ExpandOrphans(TaskIndex task, const GridPoint& k) {
  if (!tasks_[task].abandoned) {
    Neighbours neighbours;
    graph_->levels(task).Downstream(k, &neighbours);
    for (const BlockIndex index : neighbours) {
      GridBox box{graph_->grid(task).PointOf(index), {}, graph_->grid(task).rank()};
      box.hi = box.lo;
      for (size_t d = 0; d < static_cast<size_t>(box.rank); ++d) ++box.hi[d];
      orphans_.push_back({task, box, box.lo});
    }
  }
  for (const TaskIndex down : graph_->downstream(task)) {
    const GridBox box = graph_->DownstreamBox(task, down, k);
    if (!box.empty()) orphans_.push_back({down, box, box.lo});
  }
}

/// What failed in an earlier run takes down what depends on it, as it did then.
void Frontier::BuryEarlierOnes() {
  while (budget_ > 0 && !graves_.empty()) {
    --budget_;
    auto& [task, run] = graves_.back();
    const BlockRef block{task, run.begin};
    if (++run.begin == run.end) graves_.pop_back();
    Bury(block.task, block.block, graph_->grid(block.task).PointOf(block.block));
  }
}

void Frontier::RunOrphans() {
  while (budget_ > 0 && !orphans_.empty()) {
    --budget_;
    OrphanBox& item = orphans_.back();
    const TaskIndex task = item.task;
    const BlockMask* mask = tasks_[task].mask;
    if (mask != nullptr) {
      // On to the next block with work, past all that are masked.
      const BlockGrid& grid = graph_->grid(task);
      const auto next = mask->First(grid.IndexOf(item.at), grid.num_blocks());
      GridPoint at = next ? grid.PointOf(*next) : item.at;
      if (!next || !item.box.SeekInside(&at)) {
        orphans_.pop_back();
        continue;
      }
      if (at != item.at) {
        item.at = at;  // it may be masked again: looked at in the next round
        continue;
      }
    }
    const GridPoint k = item.at;
    if (!item.box.Next(&item.at)) orphans_.pop_back();
    Orphan(task, k);
  }
}

void Frontier::Orphan(TaskIndex task, const GridPoint& k) {
  Task& t = tasks_[task];
  const BlockIndex index = graph_->grid(task).IndexOf(k);
  const BlockState state = t.states.Get(index);
  if (state == BlockState::kDead || state == BlockState::kCompleted) return;
  BELLIS_CHECK(state == BlockState::kWaiting || t.abandoned,
               "a block was handed out before what it depends on had completed");
  t.states.Set(index, BlockState::kDead);
  --t.counts.pending;
  ++t.counts.orphaned;
  Touch(task);
  if (!Mutated(Mutation::kOrphansStop)) Bury(task, index, k);
}

/// A block is dead: orphans what depends on it, calls for what merely conflicted with it, and lets
/// go of those who watch it.
void Frontier::Bury(TaskIndex task, BlockIndex index, const GridPoint& k) {
  ExpandOrphans(task, k);
  const uint32_t chain = tasks_[task].watchers.TakeChain(index);
  if (chain != WatchList::kNone) releases_.push_back(ReleaseChain{task, index, chain});
  if (tasks_[task].direct && !tasks_[task].abandoned && !Mutated(Mutation::kDeadKeepsWaiting)) {
    ReleaseDirect(task, k);
  }
}

}  // namespace bellis
