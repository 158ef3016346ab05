#pragma once

// How a path is opened when other users of the machine may change it meanwhile: component by
// component, from a descriptor to the next. What was opened is looked at, never a name, so nothing
// that is put in the place of a name between two calls can be taken for what was checked.

#include <sys/types.h>

#include <string>

#include "bellis/result.h"
#include "common/files/fd.h"

namespace bellis {

/// Who may own a directory on the way to a file.
enum class OnTheWay {
  /// Anyone: enough where only what is opened in the end is used, by its descriptor. A symbolic
  /// link must belong to root or to us, though.
  kAnyone,
  /// Root or us, and nobody else may rename what lies in it: needed where a library opens the path
  /// by name once more, as libzmq does with sockets.
  kTrusted,
};

struct WalkOptions {
  OnTheWay on_the_way = OnTheWay::kAnyone;
  bool make_parents = false;  // directories that are missing on the way, 0777 less the umask
  bool make_last = false;     // the last component as a directory, with mode 0700
};

/// Opens `path` with `flags` (O_CLOEXEC and O_NOFOLLOW are added) and, with O_CREAT, `mode`.
/// Follows symbolic links of root and of this user, at most 40. Errors, each naming the path:
/// kNotFound where something is missing; kUnauthorized where another user may change the way;
/// kIo for what the system refuses. Cost: two system calls for each component.
Result<Fd> OpenByWalk(const std::string& path, int flags, mode_t mode, WalkOptions options);

/// Whether files of `owner` are as good as ours: root's and our own.
bool IsTrustedOwner(uid_t owner);

}  // namespace bellis
