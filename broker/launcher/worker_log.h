#pragma once

// The two files that a worker's output goes to: <log_dir>/<task>/worker_<id>.out and .err, where
// the task id is escaped so that it names one directory.

#include <sys/stat.h>

#include <string>
#include <string_view>

#include "broker/launcher/log_trim.h"
#include "common/files/fd.h"
#include "common/ids.h"
#include "common/result.h"

namespace bellis {

/// Where logs go when a launch names no directory; relative to the launcher's own.
inline constexpr std::string_view kDefaultLogDir = "bellis_logs";
/// How much of a worker's stderr its exit report carries.
inline constexpr size_t kStderrTailBytesMax = 4096;

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
