#pragma once

// Continues where the earlier broker stopped.

#include "broker/core/budget.h"
#include "broker/core/core_options.h"
#include "broker/core/durable.h"
#include "broker/core/job_table.h"
#include "broker/core/launcher_links.h"
#include "broker/core/launcher_table.h"
#include "broker/core/orders.h"
#include "broker/core/owners.h"
#include "broker/core/roster.h"
#include "broker/core/submissions.h"
#include "broker/core/turn.h"

namespace bellis {

/// Owns nothing. Borrows, and may change: the JobTable, the Roster and the LauncherTable, all of
/// which it fills; the Budget; Durable (ids, promises); Submissions (schedules), Orders; the Turn.
class Recovery {
 public:
  Recovery(const Owners& own, Orders* orders, LauncherLinks* launcher_links,
           Submissions* submissions)
      : options_(own.options),
        turn_(own.turn),
        durable_(own.durable),
        budget_(own.budget),
        jobs_(own.jobs),
        launchers_(own.launchers),
        roster_(own.roster),
        orders_(*orders),
        launcher_links_(*launcher_links),
        submissions_(*submissions) {}

  void OnTakeOver(TakeOver taken);
  /// The kReconnect timer has fired: the reconnect window is over for workers of an earlier broker.
  void ReconnectWindowOver();

 private:
  void TakeUpSession(const Session& session);
  void TakeUpLease(Worker& worker, const Session& session);
  LauncherId LauncherOfSession(const ProcessRef& process);

  // Borrowed.
  const CoreOptions& options_;
  Turn& turn_;
  Durable& durable_;
  Budget& budget_;
  JobTable& jobs_;
  LauncherTable& launchers_;
  Roster& roster_;
  Orders& orders_;
  LauncherLinks& launcher_links_;
  Submissions& submissions_;
};

}  // namespace bellis
