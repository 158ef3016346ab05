#pragma once

// Keeps one local launcher running for as long as this object lives. A launcher that ends without a
// `leave` of the broker (killed, crashed, ended by a signal) is started again, with growing pauses.
// When the new launcher connects, the broker takes the workers of the former launcher for lost, and
// launches them again.

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "bellis/result.h"
#include "broker/launcher/launcher_process.h"

namespace bellis {

class LauncherKeeper {
 public:
  /// Error: the first launcher could not be started at all.
  static Result<LauncherKeeper> Start(const LauncherOptions& options);
  LauncherKeeper(LauncherKeeper&&) noexcept;
  LauncherKeeper& operator=(LauncherKeeper&&) = delete;
  /// Ends the launcher, and with it all its workers.
  ~LauncherKeeper();

 private:
  struct State;
  explicit LauncherKeeper(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace bellis
