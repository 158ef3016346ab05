#pragma once

// What workers are told of their end, and what launchers are told of their workers.

#include <string>

#include "broker/core/core_options.h"
#include "broker/core/launcher_table.h"
#include "broker/core/owners.h"
#include "broker/core/roster.h"
#include "broker/core/turn.h"

namespace bellis {

/// Owns nothing. Borrows the Roster (workers stop being given blocks), the Turn (messages, timers),
/// and reads the LauncherTable. While a launcher is away nothing is sent to it: it is told again
/// when it is back (LauncherLinks).
class Orders {
 public:
  explicit Orders(const Owners& own)
      : options_(own.options), turn_(own.turn), launchers_(own.launchers), roster_(own.roster) {}

  /// All connections of the worker finish what they hold, then leave.
  void Drain(Worker& worker, const std::string& reason);
  /// The worker is to go. One that a launcher started is stopped if it stays for too long.
  void Leave(Worker& worker, const std::string& reason);
  /// The worker is to go, and one that a launcher started is stopped at once.
  void LeaveAtOnce(Worker& worker, const std::string& reason);
  /// The launcher ends the worker's process, and none of its connections gets another block.
  /// Requires a launched worker.
  void StopProcess(Worker& worker);
  /// The end of the worker's process, however it comes, is no crash.
  static void AskForEnd(Worker& worker);
  /// The launcher starts the worker's process.
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
