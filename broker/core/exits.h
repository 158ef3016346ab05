#pragma once

// Handles launchers' reports that processes have exited, and removes workers from the table.

#include <string>

#include "broker/core/budget.h"
#include "broker/core/claims.h"
#include "broker/core/core_options.h"
#include "broker/core/durable.h"
#include "broker/core/job_table.h"
#include "broker/core/lost_leases.h"
#include "broker/core/owners.h"
#include "broker/core/peer_table.h"
#include "broker/core/roster.h"
#include "broker/core/turn.h"

namespace bellis {

/// Owns nothing. Borrows, and may change: the Roster (removes entries), the Budget (takes shares
/// back), GroupRun and TaskRun::restarts (who is replaced, and when); LostLeases, Claims.
class Exits {
 public:
  Exits(const Owners& own, LostLeases* lost_leases, Claims* claims)
      : options_(own.options),
        turn_(own.turn),
        durable_(own.durable),
        budget_(own.budget),
        jobs_(own.jobs),
        peers_(own.peers),
        roster_(own.roster),
        lost_leases_(*lost_leases),
        claims_(*claims) {}

  /// A launcher reports the end of a worker's process.
  void OnExited(PeerId peer, const ExitedMsg& exited);
  /// A launched worker's process has ended, and so have all processes that it had started.
  void WorkerExited(Worker& worker, const ExitedMsg& exited);
  /// Ends the worker's leases, if it has any, and removes it from the table. Its further
  /// connections, if any, count as external workers from now on.
  void Remove(Worker& worker);

 private:
  void AfterExit(Job& job, TaskIndex task, const Worker& gone, const ExitedMsg& exited);
  bool EndsTheSame(GroupRun& group, const Worker& gone, const ExitedMsg& exited) const;
  void Crashed(Job& job, TaskIndex task, const Worker& gone, const std::string& how,
               const ExitedMsg& exited);
  void GiveUpGroup(Job& job, TaskIndex task, const Worker& worker, std::string error);

  // Borrowed.
  const CoreOptions& options_;
  Turn& turn_;
  Durable& durable_;
  Budget& budget_;
  JobTable& jobs_;
  PeerTable& peers_;
  Roster& roster_;
  LostLeases& lost_leases_;
  Claims& claims_;
};

}  // namespace bellis
