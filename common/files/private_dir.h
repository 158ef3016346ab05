#pragma once

// Directories that this user alone may enter: for sockets, tokens and state.

#include <string>

#include "common/files/path_walk.h"

namespace bellis {

/// Opens the directory at `path`, which is to be ours (owner) and closed to others (no mode bit for
/// group and others). A missing one is made with mode 0700, its parents too, if `make`. Use what
/// lies in it through the descriptor (openat, InsideDir): the name may stand for another
/// directory by then, unless everything on the way is trusted.
/// Errors name the path, what was found and what is accepted (kUnauthorized, kNotFound, kIo).
Result<Fd> OpenPrivateDir(const std::string& path, bool make, OnTheWay on_the_way);

/// Whether a peer may be looked for at this endpoint: an ipc socket must belong to root or to us,
/// as all directories on the way to it, where others must not put anything in its place; else
/// another user could listen there and be told tokens and jobs. One that is not there is fine where
/// others cannot make it. Every other transport is fine, too.
Status CheckSocketDir(const std::string& endpoint);

/// A path to `name` in an open directory, whatever its name has become; for libraries that take
/// only paths. Good while `dir` is open, in this process.
std::string InsideDir(const Fd& dir, const std::string& name);

/// The path that people know, of one made by InsideDir; any other as it is. For messages.
std::string ShownPath(const std::string& path);

}  // namespace bellis
