#include "broker/schedule/frontier.h"

#include <algorithm>
#include <utility>

#include "broker/schedule/conflict_neighbours.h"
#include "broker/schedule/mutation.h"
#include "common/check.h"

namespace bellis {

namespace {

Error BadRun(TaskIndex task, const char* what, const BlockRun& run) {
  return {ErrorCode::kStorage,
          "stored progress: task " + std::to_string(task) + " has " + what + " blocks " +
              std::to_string(run.begin) + " to " + std::to_string(run.end) +
              "; expected blocks of its grid, in ascending order, each once, none masked"};
}

}  // namespace

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
    frontier.marks_needed_ |= frontier.tasks_[t].direct;
    frontier.Touch(t);
  }
  frontier.Work(limits.inline_work);
  return frontier;
}

Result<Frontier> Frontier::Resume(const DependencyGraph* graph, const std::vector<Order>& orders,
                                  const std::vector<TaskProgress>& progress,
                                  FrontierLimits limits) {
  BELLIS_CHECK(progress.size() == graph->num_tasks(), "progress of another job");
  Frontier frontier(graph, limits);
  for (TaskIndex t = 0; t < graph->num_tasks(); ++t) {
    const BlockGrid& grid = graph->grid(t);
    const BlockMask* mask = graph->mask(t);
    Task task{.counts = {},
              .ready = ReadyQueue(RootSet(), orders[t]),
              .states = BlockStates(grid.num_blocks(), mask),
              .watchers = {},
              .lattice = RootLattice(grid, graph->levels(t)),
              .mask = mask,
              .exclusive = graph->conflict(t) == Conflict::kExclusive,
              .direct = mask != nullptr && graph->levels(t).num_levels() > 1,
              .fifo = orders[t] == Order::kFifo,
              .sweeping = grid.num_blocks() > 0,
              .resumed = true};
    BlockCounts& counts = task.counts;
    counts.blocks = grid.num_blocks();
    counts.masked = mask == nullptr ? 0 : mask->masked_blocks();
    counts.skipped = progress[t].skipped;
    for (const BlockRun& run : progress[t].completed) {
      if (!task.states.SetRun(run, BlockState::kCompleted)) return BadRun(t, "completed", run);
      counts.completed += run.end - run.begin;
    }
    for (const BlockRun& run : progress[t].failed) {
      if (!task.states.SetRun(run, BlockState::kDead)) return BadRun(t, "failed", run);
      counts.failed += run.end - run.begin;
      frontier.any_dead_ = true;
      frontier.graves_.emplace_back(t, run);
    }
    counts.pending = counts.blocks - counts.masked - counts.completed - counts.failed;
    frontier.tasks_.push_back(std::move(task));
    frontier.marks_needed_ |= frontier.tasks_[t].direct;
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
  if (WaitsForRoots(t)) return std::nullopt;
  while (const auto next = t.ready.Pop()) {
    if (!t.claimed.empty() && t.claimed.erase(next->block) > 0) continue;
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
}

bool Frontier::Claim(BlockRef block) {
  Task& t = tasks_[block.task];
  if (t.dead || block.block >= t.counts.blocks || LeaseInTheWay(block)) return false;
  const BlockState state = t.states.Get(block.block);
  if (state == BlockState::kCompleted || state == BlockState::kDead) return false;
  if (state == BlockState::kIssued) {
    t.claimed.insert(block.block);
  } else {
    if (WaitsFor(block)) return false;
    t.states.Set(block.block, BlockState::kIssued);
    --t.counts.pending;
    ++t.counts.ready;
  }
  Lease(block);
  Touch(block.task);
  return true;
}

/// Ends the block's lease, whatever its result.
void Frontier::EndLease(BlockRef block) {
  Task& t = tasks_[block.task];
  BELLIS_CHECK(t.counts.leased > 0, "a lease ended that did not exist");
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
  Touch(block.task);
  if (tasks_[block.task].claimed.erase(block.block) > 0) return;  // a claimed block is still queued
  const GridPoint k = graph_->grid(block.task).PointOf(block.block);
  tasks_[block.task].ready.Push(block.block, graph_->levels(block.task).LevelOf(k));
}

void Frontier::Complete(BlockRef block) {
  EndLease(block);
  Finish(block);
}

void Frontier::Skip(BlockRef block) {
  BlockCounts& counts = tasks_[block.task].counts;
  BELLIS_CHECK(counts.ready > 0, "a block was skipped that was not ready");
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
  SettleDead();
}

void Frontier::Fail(BlockRef block) {
  Task& t = tasks_[block.task];
  EndLease(block);
  ++t.counts.failed;
  t.states.Set(block.block, BlockState::kDead);
  any_dead_ = true;
  budget_ = limits_.inline_work;
  Bury(block.task, block.block, graph_->grid(block.task).PointOf(block.block));
  RunOrphans();
  RunReleases();
  FlushReadied();
  SettleDead();
}

void Frontier::Abandon(TaskIndex task) {
  Task& t = tasks_[task];
  BELLIS_CHECK(t.counts.leased == 0, "a task was given up while its blocks are leased");
  if (std::exchange(t.abandoned, true)) return;
  t.ready.Clear();
  t.aside.clear();
  t.claimed.clear();
  t.resting.clear();
  t.sweeping = false;
  t.counts.pending += std::exchange(t.counts.ready, 0);
  any_dead_ = true;
  OrphanTheRest(task);
  budget_ = limits_.inline_work;
  RunOrphans();
  RunReleases();
  FlushReadied();
  SettleDead();
}

void Frontier::Close() {
  for (TaskIndex task = 0; task < tasks_.size(); ++task) {
    Task& t = tasks_[task];
    BELLIS_CHECK(t.counts.leased == 0, "a job was closed while blocks are leased");
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
  graves_ = {};
}

bool Frontier::Work(int64_t budget) {
  budget_ = budget;
  WakeResting();
  BuryEarlierOnes();
  RunOrphans();
  RunReleases();
  RunSweeps();
  FlushReadied();
  for (bool more = any_dead_; std::exchange(more, false);) {
    for (TaskIndex task = 0; task < tasks_.size(); ++task) more |= OrphanIfAtRest(task);
  }
  return has_work();
}

bool Frontier::has_work() const {
  if (!releases_.empty() || !orphans_.empty() || !graves_.empty()) return true;
  for (TaskIndex task = 0; task < tasks_.size(); ++task) {
    const Task& t = tasks_[task];
    if ((t.sweeping || !t.resting.empty()) && HasRoom(task)) return true;
  }
  return false;
}

std::vector<BlockRun> Frontier::CompletedRuns(TaskIndex task) const {
  const Task& t = tasks_[task];
  std::vector<BlockRun> runs = t.states.CompletedRuns();
  if (t.mask == nullptr) return runs;
  std::vector<BlockRun> unmasked;
  for (const BlockRun& run : runs) {
    for (auto at = t.mask->First(run.begin, run.end); at; at = t.mask->First(*at, run.end)) {
      const BlockIndex end = std::min(run.end, t.mask->RunEnd(*at));
      unmasked.push_back({std::exchange(*at, end), end});
    }
  }
  return unmasked;
}

size_t Frontier::bytes() const {
  size_t all = releases_.capacity() * sizeof(Release) + orphans_.capacity() * sizeof(OrphanBox);
  for (TaskIndex t = 0; t < tasks_.size(); ++t) all += bytes(t);
  return all;
}

size_t Frontier::bytes(TaskIndex task) const {
  const Task& t = tasks_[task];
  return t.states.bytes() + t.watchers.size() * 48 + t.ready.bytes() +
         (t.mask == nullptr ? 0 : t.mask->bytes());
}

}  // namespace bellis
