#pragma once

// The local launcher: starts worker processes on this machine when the broker asks for them, and
// makes sure that none outlives the launcher. Speaks the launcher role of bellis/1 (LAUNCHERS.md).
//
// The launcher is a separate process, because it must own its children and adopt the processes that
// they leave behind, and because it must live long enough to end the workers when its parent is
// killed.

#include <sys/types.h>

#include <string>

#include "bellis/result.h"
#include "common/access/access.h"
#include "common/time.h"

namespace bellis {

struct LocalLauncherOptions {
  Access access;
  /// End of file here means that the parent is gone, so all workers are ended at once (but see
  /// `linger`). A byte before the end of file means that the parent was not killed. -1: no parent.
  int parent_fd = -1;
  /// The parent's process, which is watched, too, where the kernel supports that (Linux 5.3): a
  /// child that the parent forked without exec may hold the other end of parent_fd open. 0: not
  /// watched.
  pid_t parent_pid = 0;
  /// Process id of the launcher on this machine that this one replaces. That launcher and its
  /// workers are gone, so the broker need not wait for them. 0: none.
  pid_t former_pid = 0;
  /// How long workers go on if the parent was killed: a new broker may come to the endpoint and
  /// take them over. If it does, the launcher stays until they have ended.
  Duration linger;
  /// The grace period of workers, from TERM to KILL, when the launcher leaves.
  Duration leave_grace = Duration::Millis(1000);
};

/// How the launcher ended; also the exit code of bellis-launcher.
enum class LauncherEnd : int {
  kLeft = 0,        // the broker said `leave`
  kRefused = 1,     // the broker answered hello with an error
  kParentGone = 3,  // 2 is for wrong usage
  kSignalled = 4,   // TERM, INT or HUP came; the broker did not say `leave`
};

/// Serves until the launcher must end, then ends all workers. Requires a separate process: takes
/// over its children, SIGCHLD, SIGTERM, SIGINT, SIGHUP and SIGPIPE. Must be called before any other
/// thread is started. Error: an endpoint that libzmq refuses.
Result<LauncherEnd> RunLocalLauncher(const LocalLauncherOptions& options);

}  // namespace bellis
