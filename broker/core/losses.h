#pragma once

// Connections break, leases end, processes vanish: what becomes of what workers held.
//
//   connected --connection breaks--> away --hello of the same session--> connected
//       |                              |
//       '---- no ping for a lease -----'---> its leases are over; its blocks are free
//
// A lease ends by the broker's clock after the time by which the worker, by its own clock, has
// surely stopped (PROTOCOL.md "Leases end").

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

/// Why the word of a client that this worker has ended is not taken; empty when it is. A slip must
/// not free what a living process holds, so it is taken only where nobody else can know. `machine`:
/// the broker's.
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

  /// The connection is over, or says hello as somebody else. `reason` is the error of a block that
  /// its worker has not finished.
  void EndPeer(PeerId peer, PeerEnd end, const std::string& reason);
  /// A client vouches for the end of a worker's process.
  void OnWorkerGone(PeerId peer, const WorkerGoneMsg& gone);
  /// A process that was looked for is not there any more.
  void OnProcessGone(const ProcessGone& gone);

  // ---- timers of a worker ----

  /// Its leases may have ended.
  void LeaseDue(Worker& worker);
  /// Its process is to be looked for again, while the worker is away.
  void ProbeDue(Worker& worker);
  /// It was told to leave and has not, or has been without a connection for too long.
  void StopIfIdle(Worker& worker);
  /// The block that it works on may be over its time.
  void BlockTimeoutDue(Worker& worker);
  /// Its process runs, but says nothing: it is waited for no longer, so that its place is free.
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
