#pragma once

// A bellis-launcher as a child of this process, for `bellis run` and `bellis-broker`.
//
// A pipe connects the two: this process holds the write end, and writes only to end the launcher.
// When this process ends, however it ends, the launcher reads end of file and ends all workers and
// itself within two seconds, unless it lingers. When the launcher is killed, the kernel kills the
// workers, and Wait or the destructor kills the processes that they had started (if these still
// have the workers' environment).

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "bellis/result.h"
#include "common/access/access.h"
#include "common/time.h"

namespace bellis {

struct LauncherOptions {
  Access access;  // to the broker; passed in the environment, where other users cannot see it
  std::string executable;          // empty: bellis-launcher beside this program, else in PATH
  std::string log_level = "warn";  // debug, info, warn, error or off; logs go to our stderr
  std::string log_file;            // appended to, instead of our stderr
  Duration linger;                 // how long workers go on if this process is killed
                                   // (local_launcher.h)
  pid_t former_pid = 0;            // of the launcher that this one replaces, ended and reaped
};

/// Movable. The parent may have any number of threads. One thread at a time uses an object.
class LauncherProcess {
 public:
  /// Returns when the program runs; if the broker refuses the launcher, Wait shows that. The child
  /// gets /dev/null as stdin and stdout, our stderr, and no other descriptor but the pipe.
  static Result<LauncherProcess> Start(const LauncherOptions& options);

  LauncherProcess(LauncherProcess&& other) noexcept;
  LauncherProcess& operator=(LauncherProcess&& other) noexcept;
  /// Closes the pipe, so that the launcher ends all workers and itself. Waits at most 3 s for that,
  /// then kills the launcher.
  ~LauncherProcess();

  /// Returns true if the launcher has ended within `timeout`. Then it is reaped, and processes that
  /// a killed launcher left behind are killed (within 2 s). The launcher ends by itself after
  /// a `leave` of the broker (exit code 0), when the broker refuses it (1), or when a TERM, INT or
  /// HUP has come (4).
  bool Wait(Duration timeout);

  pid_t pid() const { return pid_; }
  /// After Wait returned true: the launcher's exit code, or 128 + the signal that ended it. nullopt
  /// before, or if somebody else reaped the launcher.
  std::optional<int> exit_code() const { return exit_code_; }

 private:
  LauncherProcess(pid_t pid, int pipe_fd);
  void End();
  void Ended(std::optional<int> exit_code);

  pid_t pid_ = -1;
  int pipe_fd_ = -1;               // write end
  std::string worker_tag_prefix_;  // of the tag in its workers' environment
  bool ended_ = true;
  std::optional<int> exit_code_;
};

}  // namespace bellis
