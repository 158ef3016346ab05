#pragma once

// How large a log file of a worker may get, and who still writes to it.

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "common/files/fd.h"

namespace bellis {

/// A log file that takes more of the disk loses its middle: what a worker says first and what it
/// said last remain, this much of each.
inline constexpr int64_t kLogBytesMax = int64_t{64} << 20;
inline constexpr int64_t kLogHeadBytes = int64_t{1} << 20;
inline constexpr int64_t kLogTailBytes = int64_t{16} << 20;
/// Where the middle was, in place of the last bytes of the head.
inline constexpr std::string_view kLogCutNotice =
    "\n[bellis: the middle of this file was cut out; its first MiB and its last 16 remain]\n";

/// Gives the disk back what the file has above kLogBytesMax, whoever is writing to it, in append
/// mode, meanwhile. Where the file system cannot cut a piece out of a file (ext4 and xfs can),
/// zeros take its place, and no room; where it can neither, and where `path` is not the file that
/// was `seen`, this does nothing.
void TrimLogFile(const std::string& path, const struct stat& seen);

/// Opens what was `seen` (OpenLogFile) and looks at it; none if another file has its name by now.
Fd OpenSeen(const std::string& path, int flags, const struct stat& seen, struct stat* now);

enum class Writers { kNone, kSome, kUnknown };

/// Whether any process has the file open for writing, of this machine. `fd` is open for reading
/// only. kUnknown where the file system cannot tell, as NFS.
Writers WritersOf(int fd);

}  // namespace bellis
