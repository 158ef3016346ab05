#include "broker/core/frontier.h"

#include <algorithm>
#include <utility>

#include "common/check.h"

namespace bellis {

Result<Frontier> Frontier::Make(const DependencyGraph* graph, const std::vector<Order>& orders,
                                int64_t inline_work) {
  Frontier frontier(graph, inline_work);
  for (TaskIndex t = 0; t < graph->num_tasks(); ++t) {
    auto roots = RootSet::Make(*graph, t);
    if (!roots.ok()) return roots.error();
    const BlockGrid& grid = graph->grid(t);
    BlockCounts counts;
    counts.blocks = grid.num_blocks();
    counts.ready = roots->remaining();
    counts.pending = counts.blocks - counts.ready;
    frontier.tasks_.push_back({counts, ReadyQueue(std::move(*roots), orders[t]),
                               BlockStates(grid.num_blocks()), WatchList(),
                               RootLattice(grid, graph->levels(t)), false, false});
    frontier.Touch(t);
  }
  return frontier;
}

void Frontier::Touch(TaskIndex task) {
  if (std::exchange(tasks_[task].touched, true)) return;
  touched_.push_back(task);
}

void Frontier::ClearTouched() {
  for (const TaskIndex task : touched_) tasks_[task].touched = false;
  touched_.clear();
}

std::optional<BlockIndex> Frontier::Pop(TaskIndex task) {
  Task& t = tasks_[task];
  const auto block = t.ready.Pop();
  if (block && t.states.Get(*block) == BlockState::kWaiting) {
    t.states.Set(*block, BlockState::kIssued);  // a root, seen for the first time
  }
  return block;
}

void Frontier::Lease(TaskIndex task) {
  BlockCounts& counts = tasks_[task].counts;
  BELLIS_CHECK(counts.ready > 0, "a lease without a ready block");
  --counts.ready;
  ++counts.leased;
  Touch(task);
}

void Frontier::Requeue(BlockRef block) {
  Task& t = tasks_[block.task];
  BELLIS_CHECK(t.counts.leased > 0, "a block returned that was not leased");
  --t.counts.leased;
  ++t.counts.ready;
  const BlockGrid& grid = graph_->grid(block.task);
  t.ready.Push(block.block, graph_->levels(block.task).LevelOf(grid.PointOf(block.block)));
  Touch(block.task);
}

void Frontier::Complete(BlockRef block, bool skipped) {
  Task& t = tasks_[block.task];
  BELLIS_CHECK(t.counts.leased > 0, "a block completed that was not leased");
  --t.counts.leased;
  ++t.counts.completed;
  if (skipped) ++t.counts.skipped;
  t.states.Set(block.block, BlockState::kCompleted);
  Touch(block.task);
  budget_ = inline_work_;
  const GridPoint k = graph_->grid(block.task).PointOf(block.block);
  ReleaseInTask(block.task, k);
  ReleaseAcross(block.task, block.block, k);
  RunReleases();
  FlushReadied();
}

void Frontier::Fail(BlockRef block) {
  Task& t = tasks_[block.task];
  BELLIS_CHECK(t.counts.leased > 0, "a block failed that was not leased");
  --t.counts.leased;
  ++t.counts.failed;
  t.states.Set(block.block, BlockState::kDead);
  Touch(block.task);
  budget_ = inline_work_;
  ExpandOrphans(block.task, graph_->grid(block.task).PointOf(block.block));
  RunOrphans();
}

void Frontier::Abandon(TaskIndex task) {
  Task& t = tasks_[task];
  BELLIS_CHECK(t.counts.leased == 0, "a task given up while its blocks are leased");
  if (std::exchange(t.abandoned, true)) return;
  t.ready.Clear();
  t.counts.pending += std::exchange(t.counts.ready, 0);
  Touch(task);
  const GridBox whole = graph_->grid(task).whole();
  if (whole.empty()) return;
  orphans_.push_back({task, whole, whole.lo});
  budget_ = inline_work_;
  RunOrphans();
}

void Frontier::Close() {
  for (TaskIndex task = 0; task < tasks_.size(); ++task) {
    Task& t = tasks_[task];
    BELLIS_CHECK(t.counts.leased == 0, "a job closed while blocks are leased");
    t.counts.orphaned += std::exchange(t.counts.pending, 0);
    t.counts.orphaned += std::exchange(t.counts.ready, 0);
    t.ready.Clear();
    t.states = BlockStates(0);
    t.watchers = WatchList();
  }
  releases_ = {};
  orphans_ = {};
}

bool Frontier::Work(int64_t budget) {
  budget_ = budget;
  RunReleases();
  FlushReadied();
  RunOrphans();
  return has_work();
}

size_t Frontier::bytes() const {
  size_t bytes = releases_.capacity() * sizeof(Release) + orphans_.capacity() * sizeof(OrphanBox);
  for (const Task& t : tasks_) bytes += t.states.bytes() + t.watchers.size() * 48;
  return bytes;
}

// ---- becoming ready ----

bool Frontier::UpstreamInTaskCompleted(TaskIndex task, BlockIndex block) const {
  Neighbours neighbours;
  graph_->levels(task).Upstream(graph_->grid(task).PointOf(block), &neighbours);
  const BlockStates& states = tasks_[task].states;
  return std::all_of(neighbours.begin(), neighbours.end(), [&states](BlockIndex index) {
    return states.Get(index) == BlockState::kCompleted;
  });
}

void Frontier::ReleaseInTask(TaskIndex task, const GridPoint& k) {
  Neighbours neighbours;
  graph_->levels(task).Downstream(k, &neighbours);
  for (const BlockIndex index : neighbours) {
    if (!UpstreamInTaskCompleted(task, index)) continue;
    if (graph_->upstream(task).empty()) {
      MakeReady({task, index});
    } else {
      Scan({index, task, 0}, std::nullopt);
    }
  }
}

void Frontier::ReleaseAcross(TaskIndex task, BlockIndex block, const GridPoint& k) {
  const uint32_t chain = tasks_[task].watchers.TakeChain(block);
  if (chain != WatchList::kNone) releases_.push_back(ReleaseChain{task, block, chain});
  const GridPoint& counts = graph_->grid(task).counts();
  for (const TaskIndex down : graph_->downstream(task)) {
    // A root of `down` that waits watches, until it is looked at, the last block of its box in its
    // first upstream task. Per dimension: those that read this block but not the one after it.
    GridBox box = graph_->DownstreamBox(task, down, k);
    if (box.empty()) continue;
    for (size_t d = 0; d < static_cast<size_t>(box.rank); ++d) {
      if (k[d] + 1 >= counts[d]) continue;
      GridPoint after = k;
      ++after[d];
      const GridBox next = graph_->DownstreamBox(task, down, after);
      if (!next.empty()) box.hi[d] = std::min(box.hi[d], next.lo[d]);
    }
    box = tasks_[down].lattice.FromGrid(box).Intersect(tasks_[down].lattice.whole());
    if (box.empty()) continue;
    const auto& upstream = graph_->upstream(down);
    const auto ordinal =
        static_cast<uint32_t>(std::find(upstream.begin(), upstream.end(), task) - upstream.begin());
    releases_.push_back(ReleaseBox{down, ordinal, block, box, box.lo});
  }
}

void Frontier::RunReleases() {
  while (budget_ > 0 && !releases_.empty()) {
    // Taken off the stack while it runs, since running it may push.
    Release item = releases_.back();
    releases_.pop_back();
    if (auto* box = std::get_if<ReleaseBox>(&item)) {
      if (RunBox(box)) releases_.push_back(*box);
    } else if (auto* chain = std::get_if<ReleaseChain>(&item)) {
      while (budget_ > 0 && chain->head != WatchList::kNone) {
        --budget_;
        Scan(tasks_[chain->task].watchers.PopChain(&chain->head), chain->watched);
      }
      if (chain->head != WatchList::kNone) releases_.push_back(*chain);
    } else {
      const auto& scan = std::get<ReleaseScan>(item);
      Scan(scan.watcher, scan.from);
    }
  }
}

/// True when the budget ended before the box.
bool Frontier::RunBox(ReleaseBox* item) {
  const BlockGrid& grid = graph_->grid(item->task);
  const RootLattice& lattice = tasks_[item->task].lattice;
  while (budget_ > 0) {
    --budget_;
    const GridPoint k = lattice.ToGrid(item->at);
    bool first = true;  // whether the watched task is the first that it reads from
    for (uint32_t i = 0; i < item->ordinal && first; ++i) {
      first = graph_->UpstreamBox(item->task, i, k).empty();
    }
    if (first) Scan({grid.IndexOf(k), item->task, item->ordinal}, item->watched);
    if (!item->box.Next(&item->at)) return false;
  }
  return true;
}

/// Looks for an unfinished upstream block, from block `from` of the upstream task with the
/// watcher's ordinal downwards, then in the following upstream tasks: watches it, or makes the
/// waiting block ready when there is none.
void Frontier::Scan(const Watcher& watcher, std::optional<BlockIndex> from) {
  Task& t = tasks_[watcher.task];
  if (t.abandoned || t.states.Get(watcher.block) != BlockState::kWaiting) return;  // orphaned
  const GridPoint k = graph_->grid(watcher.task).PointOf(watcher.block);
  Watcher at = watcher;
  for (; at.ordinal < graph_->upstream(at.task).size(); ++at.ordinal, from.reset()) {
    const GridBox box = graph_->UpstreamBox(at.task, at.ordinal, k);
    if (!box.empty() && ScanBox(at, box, from)) return;
  }
  MakeReady({watcher.task, watcher.block});
}

/// True when the search is over for now: something is watched, orphaned, or the budget ended.
bool Frontier::ScanBox(const Watcher& watcher, const GridBox& box, std::optional<BlockIndex> from) {
  const TaskIndex up = graph_->upstream(watcher.task)[watcher.ordinal];
  const BlockGrid& grid = graph_->grid(up);
  const GridPoint& counts = grid.counts();
  // A row: dimensions `row_dim`.. of the box, contiguous in index order.
  size_t row_dim = static_cast<size_t>(box.rank) - 1;
  while (row_dim > 0 && box.lo[row_dim] == 0 && box.hi[row_dim] == counts[row_dim]) --row_dim;
  const uint64_t row_stride = grid.index_stride(static_cast<int>(row_dim));
  const uint64_t row_length = static_cast<uint64_t>(box.hi[row_dim] - box.lo[row_dim]) * row_stride;
  GridPoint row = box.lo;
  BlockIndex limit = from.value_or(UINT64_MAX - 1) + 1;  // exclusive, in the first row only
  if (from) {
    const GridPoint at = grid.PointOf(*from);
    std::copy_n(at.begin(), row_dim, row.begin());
  } else {
    for (size_t d = 0; d < row_dim; ++d) row[d] = box.hi[d] - 1;
  }
  while (true) {
    const BlockIndex begin = grid.IndexOf(row);
    BlockIndex end = begin + row_length;
    end = std::min(end, limit);
    if (budget_-- <= 0) {
      releases_.push_back(ReleaseScan{watcher, end - 1});
      return true;
    }
    if (const auto found = tasks_[up].states.LastUnfinished(begin, end)) {
      // A dead one needs no watcher: the sweep that is on its way orphans the block.
      if (tasks_[up].states.Get(*found) != BlockState::kDead) {
        tasks_[up].watchers.Add(*found, watcher);
      }
      return true;
    }
    limit = UINT64_MAX;
    size_t d = row_dim;
    while (d > 0 && --row[d - 1] < box.lo[d - 1]) {
      row[d - 1] = box.hi[d - 1] - 1;
      --d;
    }
    if (d == 0) return false;
  }
}

void Frontier::MakeReady(BlockRef block) {
  Task& t = tasks_[block.task];
  if (t.abandoned) return;
  BELLIS_CHECK(t.states.Get(block.block) == BlockState::kWaiting, "a block became ready twice");
  t.states.Set(block.block, BlockState::kIssued);
  --t.counts.pending;
  ++t.counts.ready;
  readied_.push_back(block);
}

void Frontier::FlushReadied() {
  if (readied_.size() > 1) {
    std::sort(readied_.begin(), readied_.end(), [this](const BlockRef& a, const BlockRef& b) {
      if (a.task != b.task) return a.task < b.task;
      const BlockGrid& grid = graph_->grid(a.task);
      return grid.IdOf(grid.PointOf(a.block)) < grid.IdOf(grid.PointOf(b.block));
    });
  }
  for (const BlockRef& block : readied_) {
    const GridPoint k = graph_->grid(block.task).PointOf(block.block);
    tasks_[block.task].ready.Push(block.block, graph_->levels(block.task).LevelOf(k));
    Touch(block.task);
  }
  readied_.clear();
}

// ---- becoming orphaned ----

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

void Frontier::RunOrphans() {
  while (budget_ > 0 && !orphans_.empty()) {
    --budget_;
    OrphanBox& item = orphans_.back();
    const TaskIndex task = item.task;
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
  ExpandOrphans(task, k);
}

}  // namespace bellis
