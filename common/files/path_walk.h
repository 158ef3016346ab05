#pragma once

// Opens paths that other users of the machine may change meanwhile: component by component, each
// from the descriptor of the one before. Checks look at open descriptors and never at names, so an
// entry that is replaced between two calls is not mistaken for the one that was checked.

#include <sys/types.h>

#include <string>

#include "bellis/result.h"
#include "common/files/fd.h"

namespace bellis {

/// Who may own a directory on the way to a file.
enum class OnTheWay {
  /// Anyone. This suffices if the caller uses only the descriptor that is opened in the end.
  /// Symbolic links must still belong to root or to this user.
  kAnyone,
  /// Root or this user, and nobody else may rename entries of the directory. This is needed if a
  /// library opens the path by name again, as libzmq does with sockets.
  kTrusted,
};

struct WalkOptions {
  OnTheWay on_the_way = OnTheWay::kAnyone;
  bool make_parents = false;  // makes missing directories on the way, 0777 without the umask
  bool make_last = false;     // makes the last component, as a directory with mode 0700
};

/// Opens `path` with `flags` (O_CLOEXEC and O_NOFOLLOW are added) and, with O_CREAT, `mode`.
/// Follows symbolic links of root and of this user, at most 40. Errors, each naming the path:
/// kNotFound if a component is missing; kUnauthorized if another user may change the way; kIo for
/// other errors of the system. Cost: two system calls for each component.
Result<Fd> OpenByWalk(const std::string& path, int flags, mode_t mode, WalkOptions options);

/// Whether `owner` is root or this user.
bool IsTrustedOwner(uid_t owner);

}  // namespace bellis
