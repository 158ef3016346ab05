#pragma once

// Files that others must not read, plant or swap.

#include <cstddef>
#include <string>

#include "common/files/path_walk.h"

namespace bellis {

/// The bytes of the file at `path`, which tells a secret or an order: a regular file of root or
/// ours, of mode 0600 or less, with one name, of at most `bytes_max` bytes. Never waits (a FIFO is
/// refused).
/// Errors name the path, what was found, and what is accepted.
Result<std::string> ReadPrivateFile(const std::string& path, size_t bytes_max);

/// Makes the file at `path`, which must not be there, with mode 0600 and these bytes.
Status WritePrivateFile(const std::string& path, const std::string& bytes);

/// Opens the file at `path` to append (`flags` O_WRONLY or O_RDWR, with O_CREAT to make it), and
/// makes directories that are missing on the way, if `make_parents`: a regular file of ours that
/// has no second name. A link that another user planted is not followed, nobody else's file is
/// written, a FIFO is refused and not waited for. Accepted as well: our own stdout and stderr, by
/// the names that the system gives them (/dev/stdout) or the terminal's or pipe's own, and
/// /dev/null.
Result<Fd> OpenLogFile(const std::string& path, int flags, bool make_parents = false);

}  // namespace bellis
