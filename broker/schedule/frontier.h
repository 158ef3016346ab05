#pragma once

// Which blocks of a job are ready, and how every block ends.
//
// A block becomes ready when all blocks that it depends on are completed. Inside a task, the
// frontier simply looks at the few neighbours of the level before. Across tasks, a block watches
// one unfinished upstream block at a time (watch_list.h): the last block of its box in index order,
// which usually finishes last. Which block each one watches at first follows from arithmetic and
// is not stored.
//
// Failures. When a block fails, a sweep orphans all blocks that depend on it, and marks them one by
// one. No sweep gets through 10^18 blocks. But a task with no block ready or leased, whose upstream
// tasks are all done, is at rest: its remaining blocks are orphaned in one step. So the sweep only
// keeps the counts up to date for users who watch the job, and stops after `orphans_swept` blocks.
// (Where a mask makes blocks wait for others that merely conflict with them, the sweep
// must go to its end.)
//
// Masks. A masked block counts as completed from the start, but no completion of it will ever wake
// a block that waits. So where the task or one of its upstream tasks has a mask, a *sweep* goes
// over the task's blocks in index order, skips masked regions at no cost, and looks at each block
// once. It makes a block ready that waits for nothing but masked blocks, and sets the watch of a
// block whose first watch would be on a masked block. The sweep runs a bounded distance ahead of
// the blocks that are taken. The levels do not order all conflicts where some blocks are missing:
// there, a block is also kept back until every block of a lower level that conflicts with it
// directly is final.
//
// Exclusive mode. A ready block stands aside while a block that conflicts with it is leased, and
// comes back when that lease ends. A block that stands aside counts as ready.
//
// The follow-up work of one completion or failure may be huge (10^8 blocks may read one block). A
// call does at most `inline_work` units of it. The owner calls Work() for the rest until nothing is
// left. Until then the counts lag, but no block is ready too early.
//
//            Pop + Lease             Complete
//   ready ------------------> leased ---------> completed
//     ^  ^                    |  |
//     |  '----- Requeue ------'  '--- Fail ---> failed ~~~> dependents: orphaned
//   pending                                                             (masked)

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>

#include "bellis/job_status.h"
#include "broker/schedule/block_states.h"
#include "broker/schedule/dependency_graph.h"
#include "broker/schedule/ready_queue.h"
#include "broker/schedule/task_progress.h"
#include "broker/schedule/watch_list.h"

namespace bellis {

struct FrontierLimits {
  /// The most units of follow-up work that one call does. A unit is one block looked at, or one row
  /// of a box or one page of states searched.
  int64_t inline_work = 4096;
  /// Sweeps and releases of boxes of roots make blocks ready in bulk. They rest when this many
  /// blocks are ready and not taken, or when four times as many blocks watch, and go on when half
  /// of these are gone. (In strict order, fifo, some cannot rest: see HasRoom.)
  size_t ready_ahead = 65536;
  /// How many blocks of a job the orphan sweep looks at one by one (16 MiB of states). The blocks
  /// that are left are orphaned when their task is at rest.
  uint64_t orphans_swept = uint64_t{1} << 26;
};

class Frontier {
 public:
  static constexpr int64_t kInlineWork = FrontierLimits{}.inline_work;
  static constexpr size_t kReadyAhead = FrontierLimits{}.ready_ahead;

  /// `graph` outlives the frontier. `orders` has one entry for each task. Errors: those of
  /// RootSet::Make.
  static Result<Frontier> Make(const DependencyGraph* graph, const std::vector<Order>& orders,
                               FrontierLimits limits = {});
  /// Makes the frontier of a job that continues after an earlier run; `progress` has an entry for
  /// each task. Blocks become ready in no strict order. Errors: runs that lie outside of a task's
  /// grid, or that overlap. Cost: O(runs + failed blocks), and memory for the pages that are
  /// completed in part.
  static Result<Frontier> Resume(const DependencyGraph* graph, const std::vector<Order>& orders,
                                 const std::vector<TaskProgress>& progress,
                                 FrontierLimits limits = {});

  const BlockCounts& counts(TaskIndex task) const { return tasks_[task].counts; }
  bool Done(TaskIndex task) const { return tasks_[task].counts.unfinished() == 0; }

  /// Takes the next ready block out of the queue; it still counts as ready, until Lease.
  std::optional<BlockIndex> Pop(TaskIndex task);
  /// Whether no block that excludes `block` is leased. Always true except in exclusive mode: there,
  /// ask again before leasing a popped block that was kept for a while.
  bool MayLease(BlockRef block) const;
  /// A leased block that excludes `block`, if any.
  std::optional<BlockIndex> LeaseInTheWay(BlockRef block) const;
  /// Leases a popped block, for which MayLease is true: a worker has it now.
  void Lease(BlockRef block);
  /// Pops and leases up to `max` blocks with consecutive indices, the next one first. An empty run:
  /// none is ready. Requires max > 0. Cost: as of one block, if they are roots of a row; else as of
  /// Pop and Lease for each.
  BlockRun LeaseRun(TaskIndex task, uint64_t max);
  /// Makes a popped block ready again that is not leased after all, as Requeue does.
  void PutBack(BlockRef block);
  /// Leases a given block, which a worker has held since before a restart. False, changing nothing,
  /// if the block is final, waits for others, or is excluded. The block must not be leased or
  /// popped.
  bool Claim(BlockRef block);
  /// Makes a leased block ready again, behind all others of its level.
  void Requeue(BlockRef block);
  /// Completes a leased block.
  void Complete(BlockRef block);
  /// Completes all blocks of a run, which are leased. Cost: as of one block if the task's blocks
  /// wait for no others of it, and no task is downstream; else as of Complete for each.
  void CompleteRun(TaskIndex task, BlockRun run);
  /// Completes a popped block without a lease, because its output exists already.
  void Skip(BlockRef block);
  /// Fails a leased block that has no attempts left; the blocks that depend on it are orphaned.
  void Fail(BlockRef block);
  /// Gives up a task: its remaining blocks are orphaned, and all blocks that depend on them.
  /// Requires that none of its blocks is leased. Cost: O(tasks), however many blocks are left; the
  /// sweep of downstream blocks is follow-up work.
  void Abandon(TaskIndex task);
  /// Ends the job: counts all remaining blocks as orphaned at once and frees all memory. Requires
  /// that no block is leased. Only counts() and Done() may be called afterwards.
  void Close();

  /// Goes on with follow-up work, `budget` units at most. True while there is more.
  bool Work(int64_t budget);
  bool has_work() const;

  /// Tasks whose counts or queue changed since the last ClearTouched, but not those whose blocks
  /// were only leased, each once.
  const std::vector<TaskIndex>& touched() const { return touched_; }
  void ClearTouched();

  /// The blocks that are completed and not masked, as runs. Cost: O(pages + runs).
  std::vector<BlockRun> CompletedRuns(TaskIndex task) const;
  BlockState state(BlockRef block) const {
    const BlockState marked = tasks_[block.task].states.Get(block.block);
    const bool dead = tasks_[block.task].dead && marked != BlockState::kCompleted;
    return dead ? BlockState::kDead : marked;
  }
  // For users who ask why a block does not run (frontier_explain.cc). Cost: O(rank^d) look-ups, and
  // searches of at most kExplainSearch blocks or pages.
  static constexpr int64_t kExplainSearch = 65536;

  /// A block that `block` waits for or, if `block` is ready, that excludes it. nullopt if the
  /// search found none.
  std::optional<BlockRef> WaitsFor(BlockRef block) const;
  /// A failed or orphaned block that `block` depends on.
  std::optional<BlockRef> DeadUpstream(BlockRef block) const;
  /// Any block of the task that is not final yet.
  std::optional<BlockIndex> AnyUnfinished(TaskIndex task) const;
  bool abandoned(TaskIndex task) const { return tasks_[task].abandoned; }

  /// Heap memory of block states and watchers, in bytes. For one task: without the memory that all
  /// tasks share.
  size_t bytes() const;
  size_t bytes(TaskIndex task) const;

 private:
  /// The roots of `task` in `box` of its lattice, from `at` on. They all watch the completed block
  /// `watched` of the upstream task with that ordinal. Which roots these are follows by arithmetic.
  struct ReleaseBox {
    TaskIndex task;
    uint32_t ordinal;
    BlockIndex watched;
    GridBox box;
    GridPoint at;
  };
  struct Task {
    BlockCounts counts;
    ReadyQueue ready;
    BlockStates states;
    WatchList watchers;  // downstream blocks that watch this task's blocks
    RootLattice lattice;
    const BlockMask* mask;  // borrowed; nullptr without a mask
    bool exclusive;         // conflicting blocks exclude each other, in no order
    bool direct;            // levels do not suffice: the task has levels and a mask
    bool fifo;
    bool sweeping;         // not all blocks were looked at yet
    bool resumed = false;  // the sweep looks at every block; no watch follows from arithmetic
    bool rests = false;
    BlockIndex sweep_at = 0;                     // next block to look at
    std::unordered_set<BlockIndex> leased = {};  // exclusive mode only
    std::unordered_map<BlockIndex, std::vector<ReadyQueue::Entry>> aside = {};  // by the leased
                                                                                // block
    std::vector<ReleaseBox> resting = {};         // releases that wait for room
    std::unordered_set<BlockIndex> claimed = {};  // leased, and still in the queue
    bool touched = false;
    bool abandoned = false;
    bool dead = false;  // every block that is not completed is dead, whatever `states` says
  };
  /// A chain of watchers of the completed block `watched` of `task`.
  struct ReleaseChain {
    TaskIndex task;
    BlockIndex watched;
    uint32_t head;
  };
  /// A search that ran out of budget. It goes on at block `from` of the watcher's upstream task.
  struct ReleaseScan {
    Watcher watcher;
    BlockIndex from;
  };
  using Release = std::variant<ReleaseBox, ReleaseChain, ReleaseScan>;
  struct BoxSearch {
    std::optional<BlockIndex> found;
    std::optional<BlockIndex> go_on_at;  // the budget ended before the box did
  };
  struct OrphanBox {
    TaskIndex task;
    GridBox box;
    GridPoint at;
    // When set, a position in DependencyGraph::upstream: a block of the box is orphaned only if it
    // depends on an unfinished block of that upstream task.
    std::optional<uint32_t> upstream = {};
    std::optional<BlockIndex> search_from = {};  // where that search goes on for the block at `at`
  };

  Frontier(const DependencyGraph* graph, FrontierLimits limits) : graph_(graph), limits_(limits) {}
  /// In strict order, a block that became ready comes after all roots, which are still looked for.
  static bool WaitsForRoots(const Task& t) {
    return t.fifo && !t.resumed && t.sweeping && !t.ready.root_is_next();
  }
  void Touch(TaskIndex task);
  void EndLease(BlockRef block);
  void Finish(BlockRef block);
  bool HasRoom(TaskIndex task) const;
  void WakeResting();
  void RunSweeps();
  void SweepBlock(TaskIndex task, BlockIndex block);
  void SweepUnfinished(TaskIndex task, BlockIndex block);
  bool Unswept(TaskIndex task, BlockIndex block) const;
  bool WaitsForMaskedOnly(TaskIndex task, const GridPoint& k) const;
  bool WatchIsSet(TaskIndex task, const GridPoint& k) const;
  std::optional<BlockIndex> BlockerInTask(TaskIndex task, const GridPoint& k) const;
  void ReleaseInTask(TaskIndex task, const GridPoint& k);
  void ReleaseDirect(TaskIndex task, const GridPoint& k);
  void Enter(TaskIndex task, BlockIndex block);
  void ReleaseAcross(TaskIndex task, BlockIndex block, const GridPoint& k);
  void RunReleases();
  bool RunBox(ReleaseBox* item);
  void Scan(const Watcher& watcher, std::optional<BlockIndex> from);
  bool ScanBox(const Watcher& watcher, const GridBox& box, std::optional<BlockIndex> from);
  BoxSearch LastUnfinishedIn(TaskIndex task, const GridBox& box, std::optional<BlockIndex> from,
                             int64_t* budget) const;
  void MakeReady(BlockRef block);
  void FlushReadied();
  void ExpandOrphans(TaskIndex task, const GridPoint& k);
  void BuryEarlierOnes();
  void RunOrphans();
  bool SkipMasked(OrphanBox* item);
  std::optional<bool> DependsOnUnfinished(OrphanBox* item);
  void Orphan(TaskIndex task, const GridPoint& k);
  void OrphanTheRest(TaskIndex task);
  bool AtRest(TaskIndex task) const;
  bool OrphanIfAtRest(TaskIndex task);
  bool OrphanTouchedAtRest();
  void SettleDead();
  void Bury(TaskIndex task, BlockIndex index, const GridPoint& k);

  const DependencyGraph* graph_;                        // borrowed
  FrontierLimits limits_;                               // fixed
  std::vector<Task> tasks_;                             // owned
  std::vector<Release> releases_;                       // stack
  std::vector<OrphanBox> orphans_;                      // stack
  std::vector<std::pair<TaskIndex, BlockRun>> graves_;  // failed before, not yet buried
  std::vector<BlockRef> readied_;                       // by the call that runs
  std::vector<TaskIndex> touched_;
  int64_t budget_ = 0;  // of the call that runs
  uint64_t orphans_swept_ = 0;
  bool any_dead_ = false;      // some task is dead
  bool marks_needed_ = false;  // some task is `direct` and needs its orphans marked one by one
};

}  // namespace bellis
