#pragma once

// Files that other users must not read, plant or replace.

#include <cstddef>
#include <string>

#include "common/files/path_walk.h"

namespace bellis {

/// Reads the file at `path`, which holds a secret or an order. It must be a regular file of root or
/// this user, with mode 0600 or less, one name, and at most `bytes_max` bytes. Never waits (a FIFO
/// is refused).
/// Errors name the path, what was found, and what is accepted.
Result<std::string> ReadPrivateFile(const std::string& path, size_t bytes_max);

/// Makes the file at `path`, which must not exist, with mode 0600 and these bytes.
Status WritePrivateFile(const std::string& path, const std::string& bytes);

/// Opens the file at `path` to append (`flags` O_WRONLY or O_RDWR, with O_CREAT to make it). With
/// `make_parents`, makes missing directories on the way. The file must be a regular file of this
/// user that has no second name. Does not follow a link that another user planted, write to another
/// user's file, or wait for a FIFO. Accepted as well: this process's stdout and stderr, by the
/// system's names (/dev/stdout) or by the name of the terminal or pipe, and /dev/null.
Result<Fd> OpenLogFile(const std::string& path, int flags, bool make_parents = false);

}  // namespace bellis
