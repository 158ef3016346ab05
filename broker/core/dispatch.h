#pragma once

// Who gets which block, and when: requests wait (Roster::Park), ready blocks are leased to them.

#include <optional>
#include <string>

#include "broker/core/core_options.h"
#include "broker/core/durable.h"
#include "broker/core/owners.h"
#include "broker/core/roster.h"
#include "broker/core/turn.h"

namespace bellis {

/// Why the task must be given up for its failed attempts (max_failures); empty if it need not be.
std::string TooManyFailures(const Job& job, TaskIndex task);
/// Why no block of this task may be handed out at the moment, even if some are ready; empty if
/// blocks may be handed out.
std::string TaskHandsOutNothingBecause(const Job& job, TaskIndex task);

/// Owns nothing. Borrows, and may change: the frontier (Pop, Lease), TaskRun::held_back, cleared,
/// to_confirm, checking, open and next_block_at; Worker::want and held; the Roster (the queue of
/// requests); Durable (lease ids); the Turn. No call allocates memory, except for the message that
/// it sends.
class Dispatcher {
 public:
  explicit Dispatcher(const Owners& own)
      : options_(own.options), turn_(own.turn), durable_(own.durable), roster_(own.roster) {}

  /// The worker can take `want` more blocks.
  void AddWant(Worker& worker, uint32_t want);
  /// Hands ready blocks to waiting workers, and blocks that need a check to waiting checkers.
  void HandOut(Job& job, TaskIndex task);
  /// Hands completed blocks to post-checkers.
  void DispatchPostChecks(Job& job, TaskIndex task);

 private:
  bool EnoughWorkers(Job& job, TaskIndex task);
  std::optional<BlockIndex> NextBlockFor(Job& job, TaskIndex task, const Worker& worker);
  bool MayHave(const TaskRun& task, BlockIndex block, const Worker& worker) const;
  void Grant(Job& job, TaskIndex task, Worker& worker, BlockIndex block);
  uint32_t GrantRun(Job& job, TaskIndex task, Worker& worker);
  WorkMsg& WorkFor(Worker& worker);
  bool IsTimeForOne(Job& job, TaskIndex task);
  // checks.cc
  void DispatchChecks(Job& job, TaskIndex task);
  bool WorksApart(const TaskRun& task, const Worker& worker) const;
  bool MayHoldNow(const TaskRun& task, const Worker& worker, BlockIndex block) const;
  Worker* FirstParkedFor(const TaskRun& task, Pool& pool, BlockIndex block);

  // Borrowed.
  const CoreOptions& options_;
  Turn& turn_;
  Durable& durable_;
  Roster& roster_;
};

}  // namespace bellis
