#pragma once

// The connections of launchers: hello, away and back, and lost.
//
//     here --connection breaks--> away --hello of the same process--> here
//       |                           |
//       '--- bye, its process ------'--- away for too long, its process is gone --> lost
//            cannot be known

#include "broker/core/core_options.h"
#include "broker/core/exits.h"
#include "broker/core/job_table.h"
#include "broker/core/launcher_table.h"
#include "broker/core/orders.h"
#include "broker/core/owners.h"
#include "broker/core/peer_table.h"
#include "broker/core/roster.h"
#include "broker/core/turn.h"

namespace bellis {

/// Owns nothing. Borrows, and may change: the LauncherTable and PeerTable (connections), the Roster
/// (workers of a lost launcher); Orders (sends lost orders again), Exits; the Turn (timers,
/// probes).
class LauncherLinks {
 public:
  LauncherLinks(const Owners& own, Orders* orders, Exits* exits)
      : options_(own.options),
        turn_(own.turn),
        jobs_(own.jobs),
        peers_(own.peers),
        launchers_(own.launchers),
        roster_(own.roster),
        orders_(*orders),
        exits_(*exits) {}

  /// A launcher says hello, for the first time or again.
  void Hello(PeerId peer, const HelloMsg& hello);
  /// The launcher's connection has ended. Its processes may live on, unless it said bye.
  void End(LauncherId id, PeerEnd end);
  /// The launcher is lost, and its workers with it. Workers that ping may live on, and become
  /// external.
  void Lose(LauncherId id);
  /// A kLauncherAway timer has fired: loses the launcher if it was away for too long.
  void AwayTooLong(LauncherId id);
  /// A kLauncherProbe timer has fired, which is set while the launcher has workers. Sends a
  /// message: if it cannot be delivered, the launcher has died, with its workers, or may have
  /// missed an order.
  void ProbeDue(LauncherId id);
  /// Sets that timer, unless it is set. While the launcher is away, the broker looks for its
  /// process more often.
  void ArmProbe(LauncherId id);

 private:
  void Bind(LauncherId id, PeerId peer);
  void BecomeExternal(Worker& worker);
  void FurtherBecomeExternal(Worker& place);

  // Borrowed.
  const CoreOptions& options_;
  Turn& turn_;
  JobTable& jobs_;
  PeerTable& peers_;
  LauncherTable& launchers_;
  Roster& roster_;
  Orders& orders_;
  Exits& exits_;
};

}  // namespace bellis
