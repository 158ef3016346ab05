#pragma once

// Tells workers to finish or leave, and launchers to start and stop workers.

#include <string>

#include "broker/core/core_options.h"
#include "broker/core/launcher_table.h"
#include "broker/core/owners.h"
#include "broker/core/roster.h"
#include "broker/core/turn.h"

namespace bellis {

/// Owns nothing. Borrows the Roster (workers stop being given blocks), the Turn (messages, timers),
/// and reads the LauncherTable. Nothing is sent to a launcher that is away: LauncherLinks repeats
/// the orders when it is back.
class Orders {
 public:
  explicit Orders(const Owners& own)
      : options_(own.options), turn_(own.turn), launchers_(own.launchers), roster_(own.roster) {}

  /// All connections of the worker are to finish what they hold, then leave.
  void Drain(Worker& worker, const std::string& reason);
  /// The worker is to leave. A launched worker is stopped if it stays for too long.
  void Leave(Worker& worker, const std::string& reason);
  /// The worker is to leave, and a launched worker is stopped at once.
  void LeaveAtOnce(Worker& worker, const std::string& reason);
  /// Has the launcher end the worker's process. None of the worker's connections gets another
  /// block. Requires a launched worker.
  void StopProcess(Worker& worker);
  /// From now on, the end of the worker's process does not count as a crash.
  static void AskForEnd(Worker& worker);
  /// Has the launcher start the worker's process.
  void SendLaunch(const Worker& worker);

 private:
  void SendLeave(Worker& worker, const std::string& reason);
  void SendToLauncher(const Worker& worker, Message message);

  // Borrowed.
  const CoreOptions& options_;
  Turn& turn_;
  LauncherTable& launchers_;
  Roster& roster_;
};

}  // namespace bellis
