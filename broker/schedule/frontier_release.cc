// How blocks become ready when a block is final.

#include <algorithm>
#include <utility>

#include "broker/schedule/conflict_neighbours.h"
#include "broker/schedule/frontier.h"
#include "broker/schedule/mutation.h"
#include "common/check.h"

namespace bellis {

/// A block of the same task that keeps block `k` back; nullopt when there is none.
std::optional<BlockIndex> Frontier::BlockerInTask(TaskIndex task, const GridPoint& k) const {
  const Task& t = tasks_[task];
  const ConflictLevels& levels = graph_->levels(task);
  Neighbours neighbours;
  levels.Upstream(k, &neighbours);
  if (Mutated(Mutation::kDependencySkipped) && neighbours.count > 1) --neighbours.count;
  for (const BlockIndex index : neighbours) {
    if (t.states.Get(index) != BlockState::kCompleted) return index;
  }
  std::optional<BlockIndex> found;
  if (!t.direct) return found;
  const BlockGrid& grid = graph_->grid(task);
  const uint64_t level = levels.LevelOf(k);
  AnyConflicting(grid, k, [&](const GridPoint& other) {
    if (levels.LevelOf(other) >= level) return false;
    const BlockIndex index = grid.IndexOf(other);
    const BlockState state = t.states.Get(index);
    if (state == BlockState::kCompleted || state == BlockState::kDead) return false;
    found = index;
    return true;
  });
  return found;
}

/// Takes a block that no block of its own task keeps back. Makes it ready, or makes it watch an
/// unfinished block of an upstream task.
void Frontier::Enter(TaskIndex task, BlockIndex block) {
  if (graph_->upstream(task).empty()) {
    MakeReady({task, block});
  } else {
    Scan({block, task, 0}, std::nullopt);
  }
}

/// Block `k` is completed: checks the blocks of its task that wait for it.
void Frontier::ReleaseInTask(TaskIndex task, const GridPoint& k) {
  const Task& t = tasks_[task];
  const BlockGrid& grid = graph_->grid(task);
  Neighbours neighbours;
  graph_->levels(task).Downstream(k, &neighbours);
  for (const BlockIndex index : neighbours) {
    if (t.direct && t.states.Get(index) != BlockState::kWaiting) continue;  // masked, say
    if (Unswept(task, index)) continue;
    if (!BlockerInTask(task, grid.PointOf(index))) Enter(task, index);
  }
  if (t.direct) ReleaseDirect(task, k);
}

/// Block `k` is final: checks the blocks of higher levels that it conflicts with directly.
void Frontier::ReleaseDirect(TaskIndex task, const GridPoint& k) {
  const BlockGrid& grid = graph_->grid(task);
  const ConflictLevels& levels = graph_->levels(task);
  const uint64_t level = levels.LevelOf(k);
  Neighbours called;  // the blocks that ReleaseInTask looks at
  levels.Downstream(k, &called);
  const bool completed = tasks_[task].states.Get(grid.IndexOf(k)) == BlockState::kCompleted;
  AnyConflicting(grid, k, [&](const GridPoint& other) {
    const BlockIndex index = grid.IndexOf(other);
    if (levels.LevelOf(other) <= level) return false;
    if (completed && std::find(called.begin(), called.end(), index) != called.end()) return false;
    if (tasks_[task].states.Get(index) != BlockState::kWaiting) return false;
    if (Unswept(task, index)) return false;
    if (!BlockerInTask(task, other)) Enter(task, index);
    return false;
  });
}

void Frontier::ReleaseAcross(TaskIndex task, BlockIndex block, const GridPoint& k) {
  const uint32_t chain = tasks_[task].watchers.TakeChain(block);
  if (chain != WatchList::kNone && !Mutated(Mutation::kChainForgotten)) {
    releases_.push_back(ReleaseChain{task, block, chain});
  }
  const GridPoint& counts = graph_->grid(task).counts();
  for (const TaskIndex down : graph_->downstream(task)) {
    if (tasks_[down].resumed) continue;  // all watches of its blocks are in the list
    // At first, a waiting root of `down` watches the last block of its box in its first upstream
    // task. So block `k` is watched by the roots that read `k` but, in every dimension, not the
    // block after `k`.
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
    if (Mutated(Mutation::kRootsOneShort) && box.size() > 1) --box.hi[0];
    if (box.empty()) continue;
    const auto& upstream = graph_->upstream(down);
    const auto ordinal =
        static_cast<uint32_t>(std::find(upstream.begin(), upstream.end(), task) - upstream.begin());
    releases_.push_back(ReleaseBox{down, ordinal, block, box, box.lo});
  }
}

void Frontier::RunReleases() {
  while (budget_ > 0 && !releases_.empty()) {
    // The item is off the stack while it runs, since running it may push other items.
    Release item = releases_.back();
    releases_.pop_back();
    if (auto* box = std::get_if<ReleaseBox>(&item)) {
      const bool left = RunBox(box);
      if (left && budget_ > 0) {
        tasks_[box->task].resting.push_back(*box);
        tasks_[box->task].rests = true;
      } else if (left) {
        releases_.push_back(*box);
      }
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

/// Looks at the roots of the box, until its end (false), or until the budget or the room for more
/// ready blocks is used up (true).
bool Frontier::RunBox(ReleaseBox* item) {
  const BlockGrid& grid = graph_->grid(item->task);
  const RootLattice& lattice = tasks_[item->task].lattice;
  while (budget_ > 0 && HasRoom(item->task)) {
    --budget_;
    const GridPoint k = lattice.ToGrid(item->at);
    bool first = true;  // whether the watched task is the first that block `k` reads from
    for (uint32_t i = 0; i < item->ordinal && first; ++i) {
      first = graph_->UpstreamBox(item->task, i, k).empty();
    }
    if (first) Scan({grid.IndexOf(k), item->task, item->ordinal}, item->watched);
    if (!item->box.Next(&item->at)) return false;
  }
  return true;
}

/// Looks for an unfinished upstream block: from block `from` of the upstream task with the
/// watcher's ordinal downwards, then in the following upstream tasks. The waiting block watches the
/// block that was found, or becomes ready when there is none.
void Frontier::Scan(const Watcher& watcher, std::optional<BlockIndex> from) {
  Task& t = tasks_[watcher.task];
  if (t.dead || t.states.Get(watcher.block) != BlockState::kWaiting) return;  // orphaned
  const GridPoint k = graph_->grid(watcher.task).PointOf(watcher.block);
  Watcher at = watcher;
  for (; at.ordinal < graph_->upstream(at.task).size(); ++at.ordinal, from.reset()) {
    const GridBox box = graph_->UpstreamBox(at.task, at.ordinal, k);
    if (!box.empty() && ScanBox(at, box, from)) return;
  }
  MakeReady({watcher.task, watcher.block});
}

/// True when the search ends here: a block to watch was found, a dead block was found, or the
/// budget is used up.
bool Frontier::ScanBox(const Watcher& watcher, const GridBox& box, std::optional<BlockIndex> from) {
  const TaskIndex up = graph_->upstream(watcher.task)[watcher.ordinal];
  const BoxSearch search = LastUnfinishedIn(up, box, from, &budget_);
  if (search.found) {
    // A dead block needs no watcher: a block that depends on it never becomes ready.
    if (state({up, *search.found}) != BlockState::kDead) {
      tasks_[up].watchers.Add(*search.found, watcher);
    }
  } else if (search.go_on_at && !Mutated(Mutation::kSearchStops)) {
    releases_.push_back(ReleaseScan{watcher, *search.go_on_at});
  }
  return search.found || search.go_on_at;
}

/// The last block of `box` in index order, at or before `from`, that is not completed.
Frontier::BoxSearch Frontier::LastUnfinishedIn(TaskIndex task, const GridBox& box,
                                               std::optional<BlockIndex> from,
                                               int64_t* budget) const {
  const BlockGrid& grid = graph_->grid(task);
  const GridPoint& counts = grid.counts();
  // A row: the blocks along dimensions `row_dim` and up, contiguous in index order.
  size_t row_dim = static_cast<size_t>(box.rank) - 1;
  while (row_dim > 0 && box.lo[row_dim] == 0 && box.hi[row_dim] == counts[row_dim]) --row_dim;
  const uint64_t row_stride = grid.index_stride(static_cast<int>(row_dim));
  const uint64_t row_length = static_cast<uint64_t>(box.hi[row_dim] - box.lo[row_dim]) * row_stride;
  GridPoint row = box.lo;
  BlockIndex limit = from.value_or(UINT64_MAX - 1) + 1;  // exclusive, in the first row only
  if (Mutated(Mutation::kBoxOneShort) && from) --limit;
  if (from) {
    const GridPoint at = grid.PointOf(*from);
    std::copy_n(at.begin(), row_dim, row.begin());
  } else {
    for (size_t d = 0; d < row_dim; ++d) row[d] = box.hi[d] - 1;
  }
  while (true) {
    const BlockIndex begin = grid.IndexOf(row);
    const BlockIndex end = std::min(begin + row_length, limit);
    if ((*budget)-- <= 0) return {std::nullopt, end - 1};
    const auto [found, open_hi] = tasks_[task].states.LastUnfinished(begin, end, budget);
    if (found) return {found, std::nullopt};
    if (open_hi > begin) return {std::nullopt, open_hi - 1};
    limit = UINT64_MAX;
    size_t d = row_dim;
    while (d > 0 && --row[d - 1] < box.lo[d - 1]) {
      row[d - 1] = box.hi[d - 1] - 1;
      --d;
    }
    if (d == 0) return {};
  }
}

void Frontier::MakeReady(BlockRef block) {
  Task& t = tasks_[block.task];
  if (t.dead) return;
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
      if (Mutated(Mutation::kOrderByIndex)) return a.block < b.block;
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

}  // namespace bellis
