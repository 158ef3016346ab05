#pragma once

// The local launcher: starts worker processes on this machine when the broker asks for them, and
// makes sure that none outlives it. Speaks the launcher role of bellis/1 (PROTOCOL.md).
//
// A process of its own, because it must own its children and adopt what they leave behind, and
// because it must survive the kill of its parent by the moment that it takes to end the workers.

#include <sys/types.h>

#include <string>

#include "bellis/result.h"
#include "common/access/access.h"
#include "common/time.h"

namespace bellis {

struct LocalLauncherOptions {
  Access access;
  /// End of file here means that the parent is gone: end all workers at once (but see `linger`; a
  /// byte before it means that the parent ended as it should). -1: no parent.
  int parent_fd = -1;
  /// Our parent, watched too where the kernel can (Linux 5.3): a child that it forked without exec
  /// may hold the other end of parent_fd open. 0: not watched.
  pid_t parent_pid = 0;
  /// Process id of the launcher on this machine that this one replaces. It is gone with its
  /// workers, so the broker need not wait for it. 0: none.
  pid_t former_pid = 0;
  /// How long workers go on when the parent was killed rather than ended: a broker may come back to
  /// the endpoint and take them over. Then the launcher stays until they have ended.
  Duration linger;
  /// The grace period of workers, from TERM to KILL, when the launcher leaves.
  Duration leave_grace = Duration::Millis(1000);
};

/// How it ended; also the exit code of bellis-launcher.
enum class LauncherEnd : int {
  kLeft = 0,        // the broker said `leave`
  kRefused = 1,     // the broker answered hello with an error
  kParentGone = 3,  // 2 is for wrong usage
  kSignalled = 4,   // TERM, INT or HUP came: the broker has not said that it may leave
};

/// Serves until it is to end, and ends all workers then. Requires a process of its own: takes over
/// its children, SIGCHLD, SIGTERM, SIGINT, SIGHUP and SIGPIPE; to be called before any other thread
/// is started. Error: an endpoint that libzmq does not take.
Result<LauncherEnd> RunLocalLauncher(const LocalLauncherOptions& options);

}  // namespace bellis
