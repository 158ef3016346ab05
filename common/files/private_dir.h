#pragma once

// Directories that this user alone may enter: for sockets, tokens and state.

#include <string>

#include "common/files/path_walk.h"

namespace bellis {

/// Opens the directory at `path`, which must belong to this user and be closed to others (no mode
/// bits for group and others). With `make`, a missing directory is made with mode 0700, and its
/// parents, too. Callers must open files in it through the descriptor (openat, InsideDir): the name
/// may stand for another directory by then, unless everything on the way is trusted.
/// Errors name the path, what was found and what is accepted (kUnauthorized, kNotFound, kIo).
Result<Fd> OpenPrivateDir(const std::string& path, bool make, OnTheWay on_the_way);

/// Checks that connecting to this endpoint is safe. An ipc socket and all directories on the way to
/// it must belong to root or to this user, and no other user may replace them: otherwise another
/// user could listen there and read tokens and jobs. A socket that does not exist is fine if no
/// other user can make it. Every other transport is fine.
Status CheckSocketDir(const std::string& endpoint);

/// A path to `name` in an open directory, even if the directory was renamed; for libraries that
/// take only paths. Valid in this process while `dir` is open.
std::string InsideDir(const Fd& dir, const std::string& name);

/// For messages: the path under which people know a path made by InsideDir. Any other path is
/// returned unchanged.
std::string ShownPath(const std::string& path);

}  // namespace bellis
