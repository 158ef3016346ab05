#pragma once

// Which blocks of a job are ready, and how every block ends.
//
// A block becomes ready when all that it depends on are completed. Inside a task the few
// neighbours of the level before are simply looked at. Across tasks a block watches one unfinished
// upstream block at a time (watch_list.h), the last one of its box in index order, which is
// usually the last to finish. Which block watches which at first follows from arithmetic and is
// not stored. When a block fails, all that depend on it are orphaned by a sweep.
//
// What one completion or failure sets off may be huge (one block that 10^8 others read). A call
// does a bounded part of it, `kInlineWork` units; the rest waits for Work(), which the owner calls
// until it has nothing to do. Until then counts lag, but no block is ready too early.
//
//            Pop + Lease             Complete
//   ready ------------------> leased ---------> completed
//     ^  ^                    |  |
//     |  '----- Requeue ------'  '--- Fail ---> failed ~~~> dependents: orphaned
//   pending

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "broker/core/block_states.h"
#include "broker/core/dependency_graph.h"
#include "broker/core/ready_queue.h"
#include "broker/core/watch_list.h"
#include "common/task/status.h"

namespace bellis {

class Frontier {
 public:
  /// Units of follow-up work that one call does at most: a unit is one block looked at, or one row
  /// of a box searched.
  static constexpr int64_t kInlineWork = 4096;

  /// `graph` outlives the frontier. `orders` has one entry a task. Errors: those of RootSet::Make.
  static Result<Frontier> Make(const DependencyGraph* graph, const std::vector<Order>& orders,
                               int64_t inline_work = kInlineWork);

  const BlockCounts& counts(TaskIndex task) const { return tasks_[task].counts; }
  bool Done(TaskIndex task) const { return tasks_[task].counts.unfinished() == 0; }

  /// Takes the next ready block out of the queue; it still counts as ready, until Lease.
  std::optional<BlockIndex> Pop(TaskIndex task);
  /// A popped block is with a worker now.
  void Lease(TaskIndex task);
  /// A leased block is ready again, behind all others of its level.
  void Requeue(BlockRef block);
  /// A leased block is done. `skipped`: its output was there already.
  void Complete(BlockRef block, bool skipped = false);
  /// A leased block is out of attempts; what depends on it is orphaned.
  void Fail(BlockRef block);
  /// Gives up a task: what is left of it is orphaned, and what depends on that. None of its blocks
  /// is leased.
  void Abandon(TaskIndex task);
  /// The end of the job, whatever is left: counts it as orphaned at once and frees all memory. No
  /// block is leased, and only counts() and Done() may be called afterwards.
  void Close();

  /// Goes on with follow-up work, `budget` units at most. True while there is more.
  bool Work(int64_t budget);
  bool has_work() const { return !releases_.empty() || !orphans_.empty(); }

  /// Tasks whose counts or queue changed since the last ClearTouched, each once.
  const std::vector<TaskIndex>& touched() const { return touched_; }
  void ClearTouched();

  BlockState state(BlockRef block) const { return tasks_[block.task].states.Get(block.block); }
  /// Heap memory of block states and watchers, in bytes.
  size_t bytes() const;

 private:
  struct Task {
    BlockCounts counts;
    ReadyQueue ready;
    BlockStates states;
    WatchList watchers;  // of this task's blocks, by downstream ones
    RootLattice lattice;
    bool touched = false;
    bool abandoned = false;
  };
  /// Blocks of level 0 of `task`, in `box` of its lattice, that watch `watched` by arithmetic.
  struct ReleaseBox {
    TaskIndex task;
    uint32_t ordinal;
    BlockIndex watched;
    GridBox box;
    GridPoint at;
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
  struct OrphanBox {
    TaskIndex task;
    GridBox box;
    GridPoint at;
  };

  Frontier(const DependencyGraph* graph, int64_t inline_work)
      : graph_(graph), inline_work_(inline_work) {}
  void Touch(TaskIndex task);
  bool UpstreamInTaskCompleted(TaskIndex task, BlockIndex block) const;
  void ReleaseInTask(TaskIndex task, const GridPoint& k);
  void ReleaseAcross(TaskIndex task, BlockIndex block, const GridPoint& k);
  void RunReleases();
  bool RunBox(ReleaseBox* item);
  void Scan(const Watcher& watcher, std::optional<BlockIndex> from);
  bool ScanBox(const Watcher& watcher, const GridBox& box, std::optional<BlockIndex> from);
  void MakeReady(BlockRef block);
  void FlushReadied();
  void ExpandOrphans(TaskIndex task, const GridPoint& k);
  void RunOrphans();
  void Orphan(TaskIndex task, const GridPoint& k);

  const DependencyGraph* graph_;    // borrowed
  int64_t inline_work_;             // fixed
  std::vector<Task> tasks_;         // owned
  std::vector<Release> releases_;   // stack
  std::vector<OrphanBox> orphans_;  // stack
  std::vector<BlockRef> readied_;   // by the call that runs
  std::vector<TaskIndex> touched_;
  int64_t budget_ = 0;  // of the call that runs
};

}  // namespace bellis
