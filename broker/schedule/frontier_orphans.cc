// How the blocks that depend on a failed block are orphaned.

#include <algorithm>
#include <utility>

#include "broker/schedule/frontier.h"
#include "broker/schedule/mutation.h"
#include "common/check.h"

namespace bellis {

void Frontier::ExpandOrphans(TaskIndex task, const GridPoint& k) {
  Neighbours neighbours;
  graph_->levels(task).Downstream(k, &neighbours);
  for (const BlockIndex index : neighbours) {
    GridBox box{graph_->grid(task).PointOf(index), {}, graph_->grid(task).rank()};
    box.hi = box.lo;
    for (size_t d = 0; d < static_cast<size_t>(box.rank); ++d) ++box.hi[d];
    orphans_.push_back({task, box, box.lo});
  }
  for (const TaskIndex down : graph_->downstream(task)) {
    const GridBox box = graph_->DownstreamBox(task, down, k);
    if (!box.empty()) orphans_.push_back({down, box, box.lo});
  }
}

/// Orphans the blocks that depend on those that failed in an earlier run.
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
  if (orphans_swept_ >= limits_.orphans_swept && !marks_needed_) {
    orphans_.clear();
    graves_.clear();
  }
  while (budget_ > 0 && !orphans_.empty()) {
    --budget_;
    OrphanBox& item = orphans_.back();
    const TaskIndex task = item.task;
    if (tasks_[task].dead) {
      orphans_.pop_back();
      continue;
    }
    if (SkipMasked(&item)) continue;
    ++orphans_swept_;
    if (item.upstream) {
      const auto depends = DependsOnUnfinished(&item);
      if (!depends) continue;
      item.search_from.reset();
      if (!*depends) {
        if (!item.box.Next(&item.at)) orphans_.pop_back();
        continue;
      }
    }
    const GridPoint k = item.at;
    if (!item.box.Next(&item.at)) orphans_.pop_back();
    Orphan(task, k);
  }
}

/// Moves the item on to the next block with work. True when the item moved, or is done and was
/// removed.
bool Frontier::SkipMasked(OrphanBox* item) {
  const BlockMask* mask = tasks_[item->task].mask;
  if (mask == nullptr) return false;
  const BlockGrid& grid = graph_->grid(item->task);
  const auto next = mask->First(grid.IndexOf(item->at), grid.num_blocks());
  GridPoint at = next ? grid.PointOf(*next) : item->at;
  if (!next || !item->box.SeekInside(&at)) {
    orphans_.pop_back();
    return true;
  }
  if (at == item->at) return false;
  item->at = at;  // this block may be masked, too: the next round looks at it
  return true;
}

/// Whether the block at `item->at` depends on an unfinished block of the item's upstream task.
/// nullopt when the budget ended before the answer was known.
std::optional<bool> Frontier::DependsOnUnfinished(OrphanBox* item) {
  const GridBox box = graph_->UpstreamBox(item->task, *item->upstream, item->at);
  if (box.empty()) return false;
  const TaskIndex up = graph_->upstream(item->task)[*item->upstream];
  const BoxSearch search = LastUnfinishedIn(up, box, item->search_from, &budget_);
  item->search_from = search.go_on_at;
  if (search.go_on_at) return std::nullopt;
  return search.found.has_value();
}

void Frontier::Orphan(TaskIndex task, const GridPoint& k) {
  Task& t = tasks_[task];
  const BlockIndex index = graph_->grid(task).IndexOf(k);
  const BlockState state = t.states.Get(index);
  if (state == BlockState::kDead || state == BlockState::kCompleted) return;
  BELLIS_CHECK(state == BlockState::kWaiting,
               "a block was handed out before the blocks that it depends on were completed");
  t.states.Set(index, BlockState::kDead);
  --t.counts.pending;
  ++t.counts.orphaned;
  Touch(task);
  if (!Mutated(Mutation::kOrphansStop)) Bury(task, index, k);
}

/// Orphans all pending blocks of a task that has no block ready or leased, and never will.
void Frontier::OrphanTheRest(TaskIndex task) {
  Task& t = tasks_[task];
  t.dead = true;
  t.counts.orphaned += std::exchange(t.counts.pending, 0);
  Touch(task);
  for (const TaskIndex down : graph_->downstream(task)) {
    const GridBox whole = graph_->grid(down).whole();
    if (tasks_[down].dead || whole.empty()) continue;
    const auto& upstream = graph_->upstream(down);
    const auto at = std::find(upstream.begin(), upstream.end(), task) - upstream.begin();
    orphans_.push_back({down, whole, whole.lo, static_cast<uint32_t>(at)});
  }
}

/// Whether nothing is under way that could make a block of the task ready. Then each remaining
/// block waits for another remaining block or for a dead one; so all of them are dead.
bool Frontier::AtRest(TaskIndex task) const {
  const Task& t = tasks_[task];
  if (t.counts.pending == 0 || t.counts.ready > 0 || t.counts.leased > 0) return false;
  if (t.direct || t.sweeping || !t.resting.empty()) return false;
  if (!releases_.empty() || !graves_.empty()) return false;
  const auto& upstream = graph_->upstream(task);
  return std::all_of(upstream.begin(), upstream.end(), [&](TaskIndex up) { return Done(up); });
}

bool Frontier::OrphanIfAtRest(TaskIndex task) {
  const bool rests = AtRest(task);
  if (rests) OrphanTheRest(task);
  return rests;
}

/// Orphans the rest of each touched task that is at rest, and of its downstream tasks. Returns
/// whether there was one.
bool Frontier::OrphanTouchedAtRest() {
  bool any = false;
  for (size_t i = 0; i < touched_.size(); ++i) {  // touched_ grows meanwhile
    const TaskIndex task = touched_[i];
    any |= OrphanIfAtRest(task);
    if (!Done(task)) continue;
    for (const TaskIndex down : graph_->downstream(task)) any |= OrphanIfAtRest(down);
  }
  return any;
}

void Frontier::SettleDead() {
  while (any_dead_ && OrphanTouchedAtRest()) {
    RunOrphans();
    RunReleases();
    FlushReadied();
  }
}

/// Follows up on a dead block: orphans the blocks that depend on it, looks again at the blocks that
/// merely conflicted with it, and drops the watches on it.
void Frontier::Bury(TaskIndex task, BlockIndex index, const GridPoint& k) {
  ExpandOrphans(task, k);
  const uint32_t chain = tasks_[task].watchers.TakeChain(index);
  if (chain != WatchList::kNone) releases_.push_back(ReleaseChain{task, index, chain});
  if (tasks_[task].direct && !Mutated(Mutation::kDeadKeepsWaiting)) {
    ReleaseDirect(task, k);
  }
}

}  // namespace bellis
