#pragma once

// The leases that returning workers say they hold.
//
// After a restart of the broker, or of the job, the broker does not know which blocks workers hold.
// While some worker of a task may hold blocks (TaskRun::recovering), two workers may claim the same
// block. Then the later lease is valid, since it was given when the earlier one was over. So no
// block is handed out, and results wait, until all workers have reported or are lost.

#include <optional>
#include <vector>

#include "broker/core/durable.h"
#include "broker/core/owners.h"
#include "broker/core/results.h"
#include "broker/core/roster.h"
#include "broker/core/turn.h"

namespace bellis {

/// Owns nothing. Borrows, and may change: TaskRun::claims, Worker::held, the frontier (Claim,
/// Requeue); Results (counts the results that waited); the Roster (recovering).
/// Invariant: TaskRun::claims is empty unless workers of the task are recovering.
class Claims {
 public:
  Claims(const Owners& own, Results* results)
      : turn_(own.turn), durable_(own.durable), roster_(own.roster), results_(*results) {}

  /// Takes what a worker says it holds after its connection broke. Returns the leases
  /// that are valid.
  std::vector<LeaseId> TakeUp(Worker& worker, const std::vector<HeldLease>& said);
  /// The worker has said what it holds, or is lost. If it was the last recovering worker of its
  /// task, the task's waiting results count now.
  void EndRecovering(Worker& worker);
  /// Leases in the new `frontier` of a job that runs again the blocks that workers still hold.
  /// Returns the first block that cannot be leased, if any: it was handed out when a block that it
  /// conflicts with had failed (SEMANTICS: a failed block is final for the blocks that do not
  /// depend on it), and the failed block is to run again now.
  std::optional<BlockIndex> ClaimWhatIsOut(const Job& job, TaskIndex task,
                                           Frontier& frontier) const;

 private:
  void CountClaims(Job& job, TaskIndex task);
  bool ClaimBlock(Worker& worker, const HeldLease& held);
  bool MakeWay(Job& job, TaskIndex task, const HeldLease& held);
  bool IsOut(const Claim& claim) const;
  void DropClaim(const Claim& claim);

  // Borrowed.
  Turn& turn_;
  Durable& durable_;
  Roster& roster_;
  Results& results_;
};

}  // namespace bellis
