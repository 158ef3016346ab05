#pragma once

// What happens to workers' leases when connections break, leases end, or processes vanish.
//
//   connected --connection breaks--> away --hello of the same session--> connected
//       |                              |
//       '---- no ping for a lease -----'---> its leases end; its blocks are free
//
// By the broker's clock, a lease ends only after the worker, by its own clock, has surely stopped
// (WORKERS.md "Leases end").

#include <string>

#include "broker/core/claims.h"
#include "broker/core/core_options.h"
#include "broker/core/durable.h"
#include "broker/core/exits.h"
#include "broker/core/launcher_links.h"
#include "broker/core/launcher_table.h"
#include "broker/core/lost_leases.h"
#include "broker/core/orders.h"
#include "broker/core/owners.h"
#include "broker/core/peer_table.h"
#include "broker/core/roster.h"
#include "broker/core/turn.h"
#include "broker/core/watches.h"

namespace bellis {

/// Why a client's statement that this worker has ended is refused; empty if it is accepted. A
/// user's mistake must not free the blocks of a living process, so the statement is accepted only
/// where the broker has no other way to know. `machine`: the broker's.
std::string MayBeAliveBecause(const Worker& worker, const Roster& roster,
                              const LauncherTable& launchers, const std::string& machine);

/// Owns nothing. Borrows, and may change: the PeerTable and Watches (connections end), the Roster
/// (workers are away, vacant, leaving), Worker::loss_reason; LostLeases, Claims, Exits, Orders,
/// LauncherLinks; the Turn.
class Losses {
 public:
  Losses(const Owners& own, Orders* orders, LostLeases* lost_leases, Claims* claims, Exits* exits,
         LauncherLinks* launcher_links)
      : options_(own.options),
        turn_(own.turn),
        durable_(own.durable),
        watches_(own.watches),
        peers_(own.peers),
        launchers_(own.launchers),
        roster_(own.roster),
        orders_(*orders),
        lost_leases_(*lost_leases),
        claims_(*claims),
        exits_(*exits),
        launcher_links_(*launcher_links) {}

  /// The connection has ended, or says hello as somebody else. `reason` is the error of a block
  /// that its worker has not finished.
  void EndPeer(PeerId peer, PeerEnd end, const std::string& reason);
  /// A client states that a worker's process has ended.
  void OnWorkerGone(PeerId peer, const WorkerGoneMsg& gone);
  /// A process that was probed does not exist any more.
  void OnProcessGone(const ProcessGone& gone);

  // ---- timers of a worker ----

  /// The worker's leases may have ended.
  void LeaseDue(Worker& worker);
  /// The worker is away: probes its process again.
  void ProbeDue(Worker& worker);
  /// The worker was told to leave and has not, or has been without a connection for too long.
  void StopIfIdle(Worker& worker);
  /// The block that the worker works on may have exceeded its timeout.
  void BlockTimeoutDue(Worker& worker);
  /// The worker's process runs, but has said no hello: stops waiting for it, so that its place is
  /// free.
  void HelloOverdue(Worker& worker);

 private:
  void BlockTimedOut(Worker& worker);
  void AwaitReturn(Worker& worker);
  void WorkerLost(Worker& worker, const std::string& reason);
  void LoseProcess(Worker& worker, const std::string& reason);
  void StartedProcessGone(Worker& worker);

  // Borrowed.
  const CoreOptions& options_;
  Turn& turn_;
  Durable& durable_;
  Watches& watches_;
  PeerTable& peers_;
  LauncherTable& launchers_;
  Roster& roster_;
  Orders& orders_;
  LostLeases& lost_leases_;
  Claims& claims_;
  Exits& exits_;
  LauncherLinks& launcher_links_;
};

}  // namespace bellis
