#pragma once

// Starts a task's processes while there is something for them to do, and lets them go when there
// are too many.

#include <optional>
#include <string>

#include "broker/core/budget.h"
#include "broker/core/core_options.h"
#include "broker/core/durable.h"
#include "broker/core/launcher_links.h"
#include "broker/core/launcher_table.h"
#include "broker/core/orders.h"
#include "broker/core/owners.h"
#include "broker/core/peer_table.h"
#include "broker/core/roster.h"
#include "broker/core/turn.h"

namespace bellis {

/// Owns nothing. Borrows, and may change: the Roster (launched workers come), the Budget (shares
/// are taken), Pool::next_group and launcher_missing_since; Durable (worker ids); Orders,
/// LauncherLinks; the Turn.
class Staffing {
 public:
  Staffing(const Owners& own, Orders* orders, LauncherLinks* launcher_links)
      : options_(own.options),
        turn_(own.turn),
        durable_(own.durable),
        budget_(own.budget),
        peers_(own.peers),
        launchers_(own.launchers),
        roster_(own.roster),
        orders_(*orders),
        launcher_links_(*launcher_links) {}

  /// Starts processes while there is something for them to do, and fewer run than the task may
  /// have.
  void LaunchWorkers(Job& job, TaskIndex task);
  void LaunchPool(Job& job, TaskIndex task, Duty duty);
  /// A launcher has started a worker's process.
  void OnLaunched(PeerId peer, const LaunchedMsg& launched);
  /// Tells surplus idle workers to leave, the newest first: those that exceed the number of blocks
  /// left.
  void ReleaseIdle(Job& job, TaskIndex task);
  /// Whether the task should have more processes of that duty than it has.
  bool LacksProcess(const Job& job, TaskIndex task, Duty duty) const;
  /// Whether the pool has waited for a launcher for long enough.
  bool AwaitLauncher(Job& job, TaskIndex task, Duty duty);

 private:
  bool LaunchOne(Job& job, TaskIndex task, Duty duty);
  std::optional<size_t> NextGroup(Job& job, TaskIndex task, Duty duty);
  void AwaitResources(Job& job, TaskIndex task, const std::string& resource);
  bool MayBeReplaced(const Job& job, TaskIndex task, Duty duty) const;

  // Borrowed.
  const CoreOptions& options_;
  Turn& turn_;
  Durable& durable_;
  Budget& budget_;
  PeerTable& peers_;
  LauncherTable& launchers_;
  Roster& roster_;
  Orders& orders_;
  LauncherLinks& launcher_links_;
};

}  // namespace bellis
