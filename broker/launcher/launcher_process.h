#pragma once

// A bellis-launcher as a child of this process, for `bellis run` and `bellis-broker`.
//
// The two are tied by a pipe: this side holds the write end, and writes only when it ends the
// launcher. When this process ends, however it ends, the launcher reads end of file and takes all
// workers with it, within two seconds, unless it is to linger. When the launcher is killed, the
// kernel kills the workers, and Wait or the destructor kills what they had started (as far as it
// carries the workers' environment).

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "bellis/result.h"
#include "common/access/access.h"
#include "common/time.h"

namespace bellis {

struct LauncherOptions {
  Access access;  // to the broker. Handed over in the environment, where `ps` does not show it
  std::string executable;          // empty: bellis-launcher beside this program, else in PATH
  std::string log_level = "warn";  // debug, info, warn, error, off: on our stderr
  std::string log_file;            // instead of our stderr; appended to
  Duration linger;                 // how long workers outlive our kill (local_launcher.h)
  pid_t former_pid = 0;            // of the launcher that this one replaces, ended and reaped
};

/// Movable. The parent may have any number of threads. One thread at a time uses an object.
class LauncherProcess {
 public:
  /// Returns when the program runs; whether the broker takes it shows in Wait. The child gets
  /// /dev/null as stdin and stdout, our stderr, and no other descriptor.
  static Result<LauncherProcess> Start(const LauncherOptions& options);

  LauncherProcess(LauncherProcess&& other) noexcept;
  LauncherProcess& operator=(LauncherProcess&& other) noexcept;
  /// Closes the pipe, so that the launcher ends all workers and itself, and waits for that: 3 s at
  /// most, then it is killed.
  ~LauncherProcess();

  /// True when the launcher has ended within `timeout`; then it is reaped, and
  /// what a killed launcher left behind is killed (bounded, 2 s). It ends by itself after
  /// a `leave` of the broker (exit code 0), when the broker refuses it (1), or when a TERM, INT or
  /// HUP has come (4).
  bool Wait(Duration timeout);

  pid_t pid() const { return pid_; }
  /// Once Wait said true: what exit() was given, or 128 + the signal that ended it. nullopt before,
  /// and when someone else reaped it.
  std::optional<int> exit_code() const { return exit_code_; }

 private:
  LauncherProcess(pid_t pid, int pipe_fd);
  void End();
  void Ended(std::optional<int> exit_code);

  pid_t pid_ = -1;
  int pipe_fd_ = -1;               // write end
  std::string worker_tag_prefix_;  // in the environment of its workers
  bool ended_ = true;
  std::optional<int> exit_code_;
};

}  // namespace bellis
