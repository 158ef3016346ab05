#pragma once

// What a lost worker held, and which block it died of (SEMANTICS "failed").
//
// A process may hold several blocks: some wait their turn, and of others the results were lost with
// it. Only the block that it worked on is blamed. The launcher says which that was, where the
// process noted it (PROTOCOL.md "What a worker works on"). Where nobody knows, or several blocks
// were worked on at once, no attempt is counted against any of them: each is handed out again
// alone, so that the next time it is known.

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

  /// The leases of a connection are over for `reason`, unless the connection was given up for a
  /// block that was over its time. `fault`: as in Blame.
  void End(Worker& worker, const std::string& reason, Fault fault = Fault::kItsOwn);
  /// All leases of a place and its further connections are over: its process is gone, with all that
  /// it had started. `working`: what the connections had noted.
  void EndAll(Worker& place, const std::string& how, const std::vector<WorkingOn>& working);
  /// The leases of the connection are over. The block of lease `culprit` is a failed attempt;
  /// without one, the only block that it holds. All else goes back as it was, and those that it may
  /// have died of are handed out alone.
  void ReturnLeases(Worker& worker, const std::string& error, LeaseId culprit, Fault fault);
  /// What the worker works on, as far as can be told from here; none when it holds nothing.
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
