#pragma once

// What happens to the blocks that a lost worker held, and which of them is blamed (SEMANTICS
// "failed").
//
// A process may hold several blocks: some wait their turn, and the results of others were lost with
// the process. Only the block that the process worked on is blamed. The launcher reports which one
// that was, if the process noted it (WORKERS.md "What a worker works on"). If nobody knows, or if
// the process worked on several blocks at once, none of them gets a failed attempt. Instead each is
// handed out again alone, so that the next loss shows which block is to blame.

#include <string>
#include <vector>

#include "broker/core/job_table.h"
#include "broker/core/owners.h"
#include "broker/core/results.h"
#include "broker/core/roster.h"

namespace bellis {

/// Owns nothing. Borrows, and may change: Worker::held and loss_reason, TaskRun::apart and
/// Attempts::excused; Results (blocks go back, or fail).
class LostLeases {
 public:
  LostLeases(const Owners& own, Results* results)
      : jobs_(own.jobs), roster_(own.roster), results_(*results) {}

  /// Ends the leases of a connection for `reason`, or for Worker::loss_reason if the worker was
  /// being stopped. `fault`: as in Blame.
  void End(Worker& worker, const std::string& reason, Fault fault = Fault::kItsOwn);
  /// Ends all leases of a place and its further connections: the process is gone, and so are all
  /// processes that it had started. `working`: the leases that the connections had noted.
  void EndAll(Worker& place, const std::string& how, const std::vector<WorkingOn>& working);
  /// Ends the leases of the connection. The block of lease `culprit` has a failed attempt, or the
  /// only block that the connection holds. If that is neither, each block may be the cause, and is
  /// set apart. Otherwise the other blocks go back as they were.
  void ReturnLeases(Worker& worker, const std::string& error, LeaseId culprit, Fault fault);
  /// The lease that the worker works on, as far as the broker can tell: the first that it holds, if
  /// any.
  static LeaseId FirstOf(const Worker& worker);

 private:
  static bool Excuse(TaskRun& task, BlockIndex block);
  void Blame(Worker& worker, const Lease& lease, const std::string& error, Fault fault);
  void Suspect(Worker& worker, const Lease& lease, const std::string& error);
  void GiveBackAll(Worker& worker);

  // Borrowed.
  JobTable& jobs_;
  Roster& roster_;
  Results& results_;
};

}  // namespace bellis
