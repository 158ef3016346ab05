#pragma once

// Limits the size of a worker's log file, and finds out whether anybody still writes to it.

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "common/files/fd.h"

namespace bellis {

/// A log file that takes more disk space than this loses its middle. This much of its beginning and
/// end remain.
inline constexpr int64_t kLogBytesMax = int64_t{64} << 20;
inline constexpr int64_t kLogHeadBytes = int64_t{1} << 20;
inline constexpr int64_t kLogTailBytes = int64_t{16} << 20;
/// Replaces the last bytes of the head, where the middle was cut out.
inline constexpr std::string_view kLogCutNotice =
    "\n[bellis: the middle of this file was cut out; its first MiB and its last 16 remain]\n";

/// Frees the disk space that the file takes above kLogBytesMax, even while processes write to it in
/// append mode. If the file system cannot cut a piece out of a file (ext4 and xfs can), the piece
/// becomes a hole that reads as zeros. Does nothing if the file system can do neither, or if `path`
/// is not the file that was `seen`.
void TrimLogFile(const std::string& path, const struct stat& seen);

/// Opens the file that was `seen` (as OpenLogFile does), and fills in `*now`. Returns no descriptor
/// if another file has its name by now.
Fd OpenSeen(const std::string& path, int flags, const struct stat& seen, struct stat* now);

enum class Writers { kNone, kSome, kUnknown };

/// Whether any process of this machine has the file open for writing. `fd` must be open for reading
/// only. kUnknown if the file system cannot tell, as with NFS.
Writers WritersOf(int fd);

}  // namespace bellis
