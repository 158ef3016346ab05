#include "broker/core/frontier.h"

#include <algorithm>
#include <utility>

#include "broker/core/conflict_neighbours.h"
#include "broker/core/mutation.h"
#include "common/check.h"

namespace bellis {

Result<Frontier> Frontier::Make(const DependencyGraph* graph, const std::vector<Order>& orders,
                                FrontierLimits limits) {
  Frontier frontier(graph, limits);
  for (TaskIndex t = 0; t < graph->num_tasks(); ++t) {
    const BlockGrid& grid = graph->grid(t);
    const BlockMask* mask = graph->mask(t);
    bool sweep = mask != nullptr;
    for (const TaskIndex up : graph->upstream(t)) sweep |= graph->mask(up) != nullptr;
    auto roots = sweep ? RootSet() : RootSet::Make(*graph, t);
    if (!roots.ok()) return roots.error();
    BlockCounts counts;
    counts.blocks = grid.num_blocks();
    counts.masked = mask == nullptr ? 0 : mask->masked_blocks();
    counts.ready = roots->remaining();
    counts.pending = counts.blocks - counts.masked - counts.ready;
    frontier.tasks_.push_back({.counts = counts,
                               .ready = ReadyQueue(std::move(*roots), orders[t]),
                               .states = BlockStates(grid.num_blocks(), mask),
                               .watchers = {},
                               .lattice = RootLattice(grid, graph->levels(t)),
                               .mask = mask,
                               .exclusive = graph->conflict(t) == Conflict::kExclusive,
                               .direct = mask != nullptr && graph->levels(t).num_levels() > 1 &&
                                         !Mutated(Mutation::kDirectIgnored),
                               .fifo = orders[t] == Order::kFifo,
                               .sweeping = sweep && grid.num_blocks() > 0});
    frontier.Touch(t);
  }
  frontier.Work(limits.inline_work);
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
  // In strict order, a block that became ready comes after all that waited for nothing.
  if (t.fifo && t.sweeping && !t.ready.root_is_next()) return std::nullopt;
  while (const auto next = t.ready.Pop()) {
    if (t.states.Get(next->block) == BlockState::kWaiting) {
      t.states.Set(next->block, BlockState::kIssued);  // a root, seen for the first time
    }
    const auto lease = LeaseInTheWay({task, next->block});
    if (!lease) return next->block;
    t.aside[*lease].push_back(*next);
  }
  return std::nullopt;
}

bool Frontier::MayLease(BlockRef block) const { return !LeaseInTheWay(block); }

std::optional<BlockIndex> Frontier::LeaseInTheWay(BlockRef block) const {
  const Task& t = tasks_[block.task];
  if (!t.exclusive || t.leased.empty()) return std::nullopt;
  const BlockGrid& grid = graph_->grid(block.task);
  std::optional<BlockIndex> found;
  AnyConflicting(grid, grid.PointOf(block.block), [&](const GridPoint& other) {
    const BlockIndex index = grid.IndexOf(other);
    if (t.leased.count(index) == 0) return false;
    found = index;
    return true;
  });
  return found;
}

void Frontier::Lease(BlockRef block) {
  Task& t = tasks_[block.task];
  BELLIS_CHECK(t.counts.ready > 0, "a lease without a ready block");
  BELLIS_CHECK(MayLease(block), "two blocks that exclude each other are leased");
  --t.counts.ready;
  ++t.counts.leased;
  if (t.exclusive) t.leased.insert(block.block);
  Touch(block.task);
}

/// A lease is over, however it went.
void Frontier::EndLease(BlockRef block) {
  Task& t = tasks_[block.task];
  BELLIS_CHECK(t.counts.leased > 0, "a lease ended that was not there");
  --t.counts.leased;
  Touch(block.task);
  if (!t.exclusive) return;
  t.leased.erase(block.block);
  const auto waiting = t.aside.find(block.block);
  if (waiting == t.aside.end() || Mutated(Mutation::kAsideForgotten)) return;
  for (const auto& entry : waiting->second) t.ready.Restore(entry);
  t.aside.erase(waiting);
}

void Frontier::Requeue(BlockRef block) {
  EndLease(block);
  ++tasks_[block.task].counts.ready;
  PutBack(block);
}

void Frontier::PutBack(BlockRef block) {
  const GridPoint k = graph_->grid(block.task).PointOf(block.block);
  tasks_[block.task].ready.Push(block.block, graph_->levels(block.task).LevelOf(k));
  Touch(block.task);
}

void Frontier::Complete(BlockRef block) {
  EndLease(block);
  Finish(block);
}

void Frontier::Skip(BlockRef block) {
  BlockCounts& counts = tasks_[block.task].counts;
  BELLIS_CHECK(counts.ready > 0, "a block skipped that was not ready");
  --counts.ready;
  ++counts.skipped;
  Touch(block.task);
  Finish(block);
}

/// The block is completed now, and neither ready nor leased any more.
void Frontier::Finish(BlockRef block) {
  Task& t = tasks_[block.task];
  ++t.counts.completed;
  t.states.Set(block.block, BlockState::kCompleted);
  budget_ = limits_.inline_work;
  const GridPoint k = graph_->grid(block.task).PointOf(block.block);
  ReleaseInTask(block.task, k);
  ReleaseAcross(block.task, block.block, k);
  RunReleases();
  FlushReadied();
}

void Frontier::Fail(BlockRef block) {
  Task& t = tasks_[block.task];
  EndLease(block);
  ++t.counts.failed;
  t.states.Set(block.block, BlockState::kDead);
  budget_ = limits_.inline_work;
  Bury(block.task, block.block, graph_->grid(block.task).PointOf(block.block));
  RunOrphans();
  RunReleases();
  FlushReadied();
}

void Frontier::Abandon(TaskIndex task) {
  Task& t = tasks_[task];
  BELLIS_CHECK(t.counts.leased == 0, "a task given up while its blocks are leased");
  if (std::exchange(t.abandoned, true)) return;
  t.ready.Clear();
  t.aside.clear();
  t.resting.clear();
  t.sweeping = false;
  t.counts.pending += std::exchange(t.counts.ready, 0);
  Touch(task);
  const GridBox whole = graph_->grid(task).whole();
  if (whole.empty()) return;
  orphans_.push_back({task, whole, whole.lo});
  budget_ = limits_.inline_work;
  RunOrphans();
  RunReleases();
  FlushReadied();
}

void Frontier::Close() {
  for (TaskIndex task = 0; task < tasks_.size(); ++task) {
    Task& t = tasks_[task];
    BELLIS_CHECK(t.counts.leased == 0, "a job closed while blocks are leased");
    t.counts.orphaned += std::exchange(t.counts.pending, 0);
    t.counts.orphaned += std::exchange(t.counts.ready, 0);
    t.ready.Clear();
    t.aside.clear();
    t.resting.clear();
    t.sweeping = false;
    t.states = BlockStates(0);
    t.watchers = WatchList();
  }
  releases_ = {};
  orphans_ = {};
}

bool Frontier::Work(int64_t budget) {
  budget_ = budget;
  WakeResting();
  RunOrphans();
  RunReleases();
  RunSweeps();
  FlushReadied();
  return has_work();
}

bool Frontier::has_work() const {
  if (!releases_.empty() || !orphans_.empty()) return true;
  for (TaskIndex task = 0; task < tasks_.size(); ++task) {
    const Task& t = tasks_[task];
    if ((t.sweeping || !t.resting.empty()) && HasRoom(task)) return true;
  }
  return false;
}

size_t Frontier::bytes() const {
  size_t bytes = releases_.capacity() * sizeof(Release) + orphans_.capacity() * sizeof(OrphanBox);
  for (const Task& t : tasks_) {
    bytes += t.states.bytes() + t.watchers.size() * 48 + t.ready.bytes();
    if (t.mask != nullptr) bytes += t.mask->bytes();
  }
  return bytes;
}

// ---- the sweep, where there are masks ----

/// Whether more blocks of the task may be made ready in bulk.
bool Frontier::HasRoom(TaskIndex task) const {
  const Task& t = tasks_[task];
  const size_t part = t.rests ? 2 : 1;
  // In strict order nothing else is handed out before the sweep has found the next root, or its
  // end.
  if (t.fifo && !t.ready.root_is_next()) return true;
  if (t.ready.in_heap() >= std::max<size_t>(1, limits_.ready_ahead / part)) return false;
  if (t.fifo) return true;
  // Watches end when what they watch does, which does not wait for this task.
  for (const TaskIndex up : graph_->upstream(task)) {
    if (tasks_[up].watchers.size() >= std::max<size_t>(1, 4 * limits_.ready_ahead / part))
      return false;
  }
  return true;
}

void Frontier::WakeResting() {
  for (TaskIndex task = 0; task < tasks_.size(); ++task) {
    Task& t = tasks_[task];
    if (!t.rests || !HasRoom(task)) continue;
    t.rests = false;
    for (const ReleaseBox& box : std::exchange(t.resting, {})) releases_.push_back(box);
  }
}

void Frontier::RunSweeps() {
  for (TaskIndex task = 0; task < tasks_.size(); ++task) {
    Task& t = tasks_[task];
    while (budget_ > 0 && t.sweeping) {
      if (!HasRoom(task)) {
        t.rests = true;
        break;
      }
      --budget_;
      const uint64_t end = t.counts.blocks;
      const auto block =
          t.mask == nullptr ? std::optional(t.sweep_at) : t.mask->First(t.sweep_at, end);
      if (block) SweepBlock(task, *block);
      t.sweep_at = block ? *block + 1 : end;
      if (t.sweep_at < end) continue;
      t.sweeping = false;
      Touch(task);
    }
  }
}

void Frontier::SweepBlock(TaskIndex task, BlockIndex block) {
  Task& t = tasks_[task];
  if (t.states.Get(block) != BlockState::kWaiting) return;
  const GridPoint k = graph_->grid(task).PointOf(block);
  const ConflictLevels& levels = graph_->levels(task);
  const auto masked = [&](BlockIndex other) {
    return t.mask != nullptr && !t.mask->Contains(other);
  };
  Neighbours neighbours;
  levels.Upstream(k, &neighbours);
  if (!std::all_of(neighbours.begin(), neighbours.end(), masked)) return;
  const uint64_t level = levels.LevelOf(k);
  const BlockGrid& grid = graph_->grid(task);
  if (t.direct && AnyConflicting(grid, k, [&](const GridPoint& other) {
        return levels.LevelOf(other) < level && t.mask->Contains(other);
      })) {
    return;
  }
  // Nothing inside the task will ever call for it. And across tasks?
  if (WaitsForMaskedOnly(task, k)) {
    t.states.Set(block, BlockState::kIssued);
    --t.counts.pending;
    ++t.counts.ready;
    t.ready.PushRoot(block, level);
    Touch(task);
  } else if ((level > 0 || !WatchIsSet(task, k)) && !Mutated(Mutation::kSweepForgets)) {
    Scan({block, task, 0}, std::nullopt);
  }
}

/// Whether every block of an upstream task that block `k` depends on is masked.
bool Frontier::WaitsForMaskedOnly(TaskIndex task, const GridPoint& k) const {
  for (size_t i = 0; i < graph_->upstream(task).size(); ++i) {
    const GridBox box = graph_->UpstreamBox(task, i, k);
    if (box.empty()) continue;
    const BlockMask* mask = graph_->mask(graph_->upstream(task)[i]);
    if (mask == nullptr || mask->Meets(box)) return false;
  }
  return true;
}

/// Whether the watch that a root has by arithmetic (ReleaseAcross) is on a block that will
/// complete.
bool Frontier::WatchIsSet(TaskIndex task, const GridPoint& k) const {
  for (size_t i = 0; i < graph_->upstream(task).size(); ++i) {
    const GridBox box = graph_->UpstreamBox(task, i, k);
    if (box.empty()) continue;
    const BlockMask* mask = graph_->mask(graph_->upstream(task)[i]);
    if (mask == nullptr) return true;
    GridPoint last = box.hi;
    for (size_t d = 0; d < static_cast<size_t>(box.rank); ++d) --last[d];
    return mask->Contains(last);
  }
  return false;
}

// ---- becoming ready ----

/// Whether nothing inside its task keeps block `k` back any more.
bool Frontier::FreeInTask(TaskIndex task, const GridPoint& k) const {
  const Task& t = tasks_[task];
  const ConflictLevels& levels = graph_->levels(task);
  Neighbours neighbours;
  levels.Upstream(k, &neighbours);
  if (Mutated(Mutation::kDependencySkipped) && neighbours.count > 1) --neighbours.count;
  if (!std::all_of(neighbours.begin(), neighbours.end(), [&t](BlockIndex index) {
        return t.states.Get(index) == BlockState::kCompleted;
      })) {
    return false;
  }
  if (!t.direct) return true;
  const BlockGrid& grid = graph_->grid(task);
  const uint64_t level = levels.LevelOf(k);
  return !AnyConflicting(grid, k, [&](const GridPoint& other) {
    if (levels.LevelOf(other) >= level) return false;
    const BlockState state = t.states.Get(grid.IndexOf(other));
    return state != BlockState::kCompleted && state != BlockState::kDead;
  });
}

/// A block that is free in its task becomes ready, or looks for what to watch in others.
void Frontier::Enter(TaskIndex task, BlockIndex block) {
  if (graph_->upstream(task).empty()) {
    MakeReady({task, block});
  } else {
    Scan({block, task, 0}, std::nullopt);
  }
}

/// Block `k` is completed: calls for those of its task that wait for it.
void Frontier::ReleaseInTask(TaskIndex task, const GridPoint& k) {
  const Task& t = tasks_[task];
  const BlockGrid& grid = graph_->grid(task);
  Neighbours neighbours;
  graph_->levels(task).Downstream(k, &neighbours);
  for (const BlockIndex index : neighbours) {
    if (t.direct && t.states.Get(index) != BlockState::kWaiting) continue;  // masked, say
    if (FreeInTask(task, grid.PointOf(index))) Enter(task, index);
  }
  if (t.direct) ReleaseDirect(task, k);
}

/// Block `k` is final: calls for those of higher levels that it conflicts with directly.
void Frontier::ReleaseDirect(TaskIndex task, const GridPoint& k) {
  const BlockGrid& grid = graph_->grid(task);
  const ConflictLevels& levels = graph_->levels(task);
  const uint64_t level = levels.LevelOf(k);
  Neighbours called;  // by ReleaseInTask
  levels.Downstream(k, &called);
  const bool completed = tasks_[task].states.Get(grid.IndexOf(k)) == BlockState::kCompleted;
  AnyConflicting(grid, k, [&](const GridPoint& other) {
    const BlockIndex index = grid.IndexOf(other);
    if (levels.LevelOf(other) <= level) return false;
    if (completed && std::find(called.begin(), called.end(), index) != called.end()) return false;
    if (tasks_[task].states.Get(index) != BlockState::kWaiting) return false;
    if (FreeInTask(task, other)) Enter(task, index);
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
    // Taken off the stack while it runs, since running it may push.
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

/// True when the budget, or the room for more ready blocks, ended before the box.
bool Frontier::RunBox(ReleaseBox* item) {
  const BlockGrid& grid = graph_->grid(item->task);
  const RootLattice& lattice = tasks_[item->task].lattice;
  while (budget_ > 0 && HasRoom(item->task)) {
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
  if (Mutated(Mutation::kBoxOneShort) && from) --limit;
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
    const auto [found, open_hi] = tasks_[up].states.LastUnfinished(begin, end, &budget_);
    if (found) {
      // A dead one needs no watcher: the sweep of orphans that is on its way gets the block.
      if (tasks_[up].states.Get(*found) != BlockState::kDead) {
        tasks_[up].watchers.Add(*found, watcher);
      }
      return true;
    }
    if (open_hi > begin) {
      if (!Mutated(Mutation::kSearchStops)) {
        releases_.push_back(ReleaseScan{watcher, open_hi - 1});
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
