#pragma once

// How tasks and jobs end: done, given up, cancelled, or too large.

#include <cstdint>
#include <string>

#include "broker/core/core_options.h"
#include "broker/core/durable.h"
#include "broker/core/job_table.h"
#include "broker/core/launcher_table.h"
#include "broker/core/orders.h"
#include "broker/core/owners.h"
#include "broker/core/results.h"
#include "broker/core/roster.h"
#include "broker/core/staffing.h"
#include "broker/core/turn.h"
#include "broker/core/watches.h"

namespace bellis {

/// Whether it is the task's turn: in a serial job, one task at a time hands out blocks.
enum class HandsOut : uint8_t { kNow, kNotNow };

/// Owns nothing. Borrows, and may change: the JobTable (jobs end, and are forgotten),
/// TaskRun::error, closed and what Pool counts for giving up; the Watches (told, and ended);
/// Results (leased blocks are taken back), Orders (workers leave), Durable; the Turn. Reads
/// Staffing.
class Endings {
 public:
  Endings(const Owners& own, Orders* orders, Results* results, Staffing* staffing)
      : options_(own.options),
        turn_(own.turn),
        durable_(own.durable),
        jobs_(own.jobs),
        watches_(own.watches),
        launchers_(own.launchers),
        roster_(own.roster),
        orders_(*orders),
        results_(*results),
        staffing_(*staffing) {}

  /// The job ends. Blocks that are not final are orphaned, also those that workers hold.
  void EndJob(Job& job, JobState state, const std::string& reason);
  /// All blocks of the task have ended. With its last task, the job ends, too.
  void CloseTask(Job& job, TaskIndex task);

  // ---- reasons to end, checked before anything is handed out or started. True: the task or job
  // has ended ----

  /// Plan's estimate assumes that all workers are equally fast, so a job may grow beyond it. A job
  /// that outgrows its limit is ended before it exhausts the broker's memory.
  bool OutgrewItsMemory(Job& job, TaskIndex task);
  bool GiveUpForFailures(Job& job, TaskIndex task);
  /// SEMANTICS "Every run ends": ready blocks, and nobody who could ever take them.
  bool GiveUpIfStuck(Job& job, TaskIndex task);
  /// A pool that needs more processes has waited too long for a launcher to start them.
  bool GiveUpWithoutLauncher(Job& job, TaskIndex task, HandsOut hands_out);

 private:
  void DropOldJobs();
  void AbandonTask(Job& job, TaskIndex task, const std::string& error);
  bool StartAgain(Job& job, TaskIndex task, Duty duty);
  static std::string StuckBecause(const Job& job, TaskIndex task, Duty duty);
  bool Deserted(Job& job, TaskIndex task, Duty duty);
  bool Engaged(Job& job, TaskIndex task, Duty duty);

  // Borrowed.
  const CoreOptions& options_;
  Turn& turn_;
  Durable& durable_;
  JobTable& jobs_;
  Watches& watches_;
  LauncherTable& launchers_;
  Roster& roster_;
  Orders& orders_;
  Results& results_;
  Staffing& staffing_;
};

}  // namespace bellis
