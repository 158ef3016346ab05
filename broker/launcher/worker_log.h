#pragma once

// The two files that a worker's output goes to: <log_dir>/<task>/worker_<id>.out and .err, where
// the task id is escaped so that it names one directory.

#include <sys/stat.h>

#include <string>
#include <string_view>

#include "common/files/fd.h"
#include "common/ids.h"
#include "common/result.h"

namespace bellis {

/// Where logs go when a launch names no directory; relative to the launcher's own.
inline constexpr std::string_view kDefaultLogDir = "bellis_logs";
/// How much of a worker's stderr its exit report carries.
inline constexpr size_t kStderrTailBytesMax = 4096;

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
/// zeros take its place, and no room; where it can neither, and where there is no such file, this
/// does nothing.
void TrimLogFile(const std::string& path);

/// `log_dir`/<task>: '/' in the task id is written "%2F", '%' "%25", and the ids "." and ".." as
/// "%2E" and "%2E%2E".
std::string TaskLogDir(std::string_view log_dir, std::string_view task);

/// The open output files of one worker. Movable; closes what is still open.
class WorkerLog {
 public:
  /// Makes the directories and opens both files to append (OpenLogFile). The error names the path.
  static Result<WorkerLog> Open(std::string_view log_dir, std::string_view task, WorkerId worker);

  int stdout_fd() const { return stdout_.fd.get(); }
  int stderr_fd() const { return stderr_.fd.get(); }

  /// Closes our ends, once the worker has its own: a running worker costs us no descriptor.
  void CloseFds();

  /// The path of both files, without ".out" and ".err".
  std::string stem() const { return stdout_.path.substr(0, stdout_.path.rfind('.')); }

  /// TrimLogFile of both, unless another file has the name by now.
  void Trim() const;

  /// The last 4 KiB that were written to stderr since Open, as they are.
  /// What an earlier worker of the same id left in the file is not part of it.
  std::string StderrTail() const;

 private:
  struct File {
    std::string path;
    Fd fd;
    struct stat at_open {};  // which file it is, and how long it was
  };

  WorkerLog() = default;

  File stdout_;
  File stderr_;
};

}  // namespace bellis
