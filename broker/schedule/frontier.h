#pragma once

// Which blocks of a job are ready, and how every block ends.
//
// A block becomes ready when all that it depends on are completed. Inside a task the few
// neighbours of the level before are simply looked at. Across tasks a block watches one unfinished
// upstream block at a time (watch_list.h), the last one of its box in index order, which is
// usually the last to finish. Which block watches which at first follows from arithmetic and is
// not stored.
//
// Failures. When a block fails, all that depend on it are orphaned by a sweep, which marks them one
// by one. 10^18 of them are never marked: a task of which nothing is ready or leased, with nothing
// unfinished before it, is at rest, and all that it has left is orphaned in one step. So the sweep
// is for those who look on meanwhile, and ends after `orphans_swept` blocks. (Not where a mask
// makes blocks wait for others that merely conflict with them: there it must go to its end.)
//
// Masks. A masked block counts as completed from the start, but no completion of it will ever wake
// anybody. So where the task or one of its upstream tasks has a mask, a *sweep* goes over its
// blocks in index order, past masked regions at no cost, and looks at each one once: it makes
// ready what waits for nothing but masked blocks, and sets a watch where the first one would be a
// masked block. It runs a bounded distance ahead of the blocks that are taken. The levels do not
// order all conflicts where some blocks are missing: there, a block is also kept back until every
// block of a lower level that conflicts with it directly is final.
//
// Exclusive mode. A ready block of which a conflicting one is leased stands aside, with that lease,
// and comes back when it ends. One that stands aside counts as ready.
//
// What one completion or failure sets off may be huge (one block that 10^8 others read). A call
// does a bounded part of it, `kInlineWork` units; the rest waits for Work(), which the owner calls
// until it has nothing to do. Until then counts lag, but no block is ready too early.
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

#include "broker/schedule/block_states.h"
#include "broker/schedule/dependency_graph.h"
#include "broker/schedule/ready_queue.h"
#include "broker/schedule/task_progress.h"
#include "broker/schedule/watch_list.h"
#include "common/task/status.h"

namespace bellis {

struct FrontierLimits {
  /// Units of follow-up work that one call does at most: a unit is one block looked at, or one row
  /// of a box or page of states searched.
  int64_t inline_work = 4096;
  /// What makes blocks ready in bulk, a sweep or the release of a box of roots, rests when so many
  /// are ready and not taken, or four times as many watch, and goes on when half of them are gone.
  /// (Not where strict order, fifo, forbids it.)
  size_t ready_ahead = 65536;
  /// How many blocks of a job are looked at one by one to be orphaned, before those that are left
  /// wait for their task to be at rest: 16 MiB of states.
  uint64_t orphans_swept = uint64_t{1} << 26;
};

class Frontier {
 public:
  static constexpr int64_t kInlineWork = FrontierLimits{}.inline_work;
  static constexpr size_t kReadyAhead = FrontierLimits{}.ready_ahead;

  /// `graph` outlives the frontier. `orders` has one entry a task. Errors: those of RootSet::Make.
  static Result<Frontier> Make(const DependencyGraph* graph, const std::vector<Order>& orders,
                               FrontierLimits limits = {});
  /// Goes on where an earlier run of the same job stopped; `progress` has an entry a task. Blocks
  /// become ready in no strict order. Errors: runs that lie outside of a task's grid, or that
  /// overlap. Cost: O(runs + blocks that failed), and a page of states for each that is not whole.
  static Result<Frontier> Resume(const DependencyGraph* graph, const std::vector<Order>& orders,
                                 const std::vector<TaskProgress>& progress,
                                 FrontierLimits limits = {});

  const BlockCounts& counts(TaskIndex task) const { return tasks_[task].counts; }
  bool Done(TaskIndex task) const { return tasks_[task].counts.unfinished() == 0; }

  /// Takes the next ready block out of the queue; it still counts as ready, until Lease.
  std::optional<BlockIndex> Pop(TaskIndex task);
  /// Whether no block that excludes it is leased. Always true but in exclusive mode, where a
  /// popped block that was kept for a while must be asked again.
  bool MayLease(BlockRef block) const;
  /// One that is leased and excludes it, if any.
  std::optional<BlockIndex> LeaseInTheWay(BlockRef block) const;
  /// A popped block, one that MayLease, is with a worker now.
  void Lease(BlockRef block);
  /// A popped block that is not leased after all is ready again, as by Requeue.
  void PutBack(BlockRef block);
  /// Leases this very block, which a worker holds since before; false, changing nothing, when it
  /// is final, waits for others, or is excluded. It must not be leased or popped.
  bool Claim(BlockRef block);
  /// A leased block is ready again, behind all others of its level.
  void Requeue(BlockRef block);
  /// A leased block is done.
  void Complete(BlockRef block);
  /// A popped block that need not be leased: its output is there already.
  void Skip(BlockRef block);
  /// A leased block is out of attempts; what depends on it is orphaned.
  void Fail(BlockRef block);
  /// Gives up a task: what is left of it is orphaned, and what depends on that. None of its blocks
  /// is leased. Cost: O(tasks), whatever is left; the sweep of what depends on it is follow-up
  /// work.
  void Abandon(TaskIndex task);
  /// The end of the job, whatever is left: counts it as orphaned at once and frees all memory. No
  /// block is leased, and only counts() and Done() may be called afterwards.
  void Close();

  /// Goes on with follow-up work, `budget` units at most. True while there is more.
  bool Work(int64_t budget);
  bool has_work() const;

  /// Tasks whose counts or queue changed since the last ClearTouched, each once.
  const std::vector<TaskIndex>& touched() const { return touched_; }
  void ClearTouched();

  /// The blocks that are completed and not masked, as runs. Cost: O(pages + runs).
  std::vector<BlockRun> CompletedRuns(TaskIndex task) const;
  BlockState state(BlockRef block) const {
    const BlockState marked = tasks_[block.task].states.Get(block.block);
    const bool dead = tasks_[block.task].dead && marked != BlockState::kCompleted;
    return dead ? BlockState::kDead : marked;
  }
  // For people who ask why (frontier_explain.cc). Cost: O(rank^d) looks, and searches of at most
  // kExplainSearch blocks or pages.
  static constexpr int64_t kExplainSearch = 65536;

  /// What a block that is not ready waits for, or what excludes a ready one: one block of them.
  /// nullopt: nothing that was found.
  std::optional<BlockRef> WaitsFor(BlockRef block) const;
  /// A block that it depends on that failed or is orphaned.
  std::optional<BlockRef> DeadUpstream(BlockRef block) const;
  /// Any block of the task that is not final yet.
  std::optional<BlockIndex> AnyUnfinished(TaskIndex task) const;
  bool abandoned(TaskIndex task) const { return tasks_[task].abandoned; }

  /// Heap memory of block states and watchers, in bytes; of one task without what all share.
  size_t bytes() const;
  size_t bytes(TaskIndex task) const;

 private:
  /// Blocks of level 0 of `task`, in `box` of its lattice, that watch `watched` by arithmetic.
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
    WatchList watchers;  // of this task's blocks, by downstream ones
    RootLattice lattice;
    const BlockMask* mask;  // borrowed; nullptr without
    bool exclusive;         // conflicting blocks exclude each other, in no order
    bool direct;            // levels do not suffice: masked, with levels
    bool fifo;
    bool sweeping;         // not all blocks were looked at yet
    bool resumed = false;  // every block is looked at; no watch follows from arithmetic
    bool rests = false;
    BlockIndex sweep_at = 0;                     // next block to look at
    std::unordered_set<BlockIndex> leased = {};  // exclusive mode only
    std::unordered_map<BlockIndex, std::vector<ReadyQueue::Entry>> aside = {};  // by whose lease
    std::vector<ReleaseBox> resting = {};         // releases that wait for room
    std::unordered_set<BlockIndex> claimed = {};  // leased, and still in the queue
    bool touched = false;
    bool abandoned = false;
    bool dead = false;  // what is not completed is dead, whatever `states` says
  };
  /// A chain of watchers of the completed block `watched` of `task`.
  struct ReleaseChain {
    TaskIndex task;
    BlockIndex watched;
    uint32_t head;
  };
  /// A search that ran out of budget: goes on at block `from` of that upstream task.
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
    // Set: only those blocks of the box are orphaned that depend on an unfinished block of this
    // upstream task (a position in DependencyGraph::upstream).
    std::optional<uint32_t> upstream = {};
    std::optional<BlockIndex> search_from = {};  // where the search for one for `at` goes on
  };

  Frontier(const DependencyGraph* graph, FrontierLimits limits) : graph_(graph), limits_(limits) {}
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
  bool any_dead_ = false;      // of any task
  bool marks_needed_ = false;  // of orphans, by a task that is `direct`
};

}  // namespace bellis
