#pragma once

// The two files for a worker's output, and their first line:
//
//     <log_dir>/<run>/<task>/worker_<id>.out and .err
//     [bellis 2026-11-27T04:05:07+01:00: job smooth-1, run 2026-11-27T030507Z_smooth-1_k3x9, task
//     smooth, worker 3, slot 0, host node7, pid 4242]                             (in one line)

#include <sys/stat.h>
#include <sys/types.h>

#include <string>
#include <string_view>

#include "bellis/result.h"
#include "broker/launcher/log_trim.h"
#include "common/files/fd.h"
#include "common/ids.h"

namespace bellis {

/// Where logs go if a launch names no directory; relative to the launcher's working directory.
inline constexpr std::string_view kDefaultLogDir = "bellis_logs";
/// How much of a worker's stderr its exit report carries.
inline constexpr size_t kStderrTailBytesMax = 4096;

/// `text` as one component of a path: '/' becomes "%2F", '%' becomes "%25", and the names "." and
/// ".." become "%2E" and "%2E%2E".
std::string EscapeForPath(std::string_view text);

/// `log_dir`, or kDefaultLogDir if that is empty.
std::string LogBase(std::string_view log_dir);

/// `log_dir`/<task>, with the task escaped; `log_dir` may be a run's folder.
std::string TaskLogDir(std::string_view log_dir, std::string_view task);

/// Names the worker that a log belongs to.
struct LogLabel {
  std::string log_dir;
  std::string run;  // the folder in it; empty: none, with brokers that name no runs
  std::string job;
  std::string task;
  WorkerId worker;
  std::string slot;  // BELLIS_SLOT; empty: none
  std::string duty;  // BELLIS_DUTY; empty: work
};

/// The path of both files, without ".out" and ".err".
std::string LogStem(const LogLabel& label);

/// The open output files of one worker. Movable; closes what is still open.
class WorkerLog {
 public:
  /// Makes the directories and opens both files to append (OpenLogFile). The error names the path.
  static Result<WorkerLog> Open(const LogLabel& label);

  int stdout_fd() const { return stdout_.fd.get(); }
  int stderr_fd() const { return stderr_.fd.get(); }

  /// The first line of each file up to the pid. The worker's process writes HeadingOf(heading(),
  /// pid) before it executes the program, since only it knows its pid in time.
  const std::string& heading() const { return heading_; }
  static std::string HeadingOf(const std::string& heading, pid_t pid);

  /// Closes this process's descriptors, once the worker `pid` has its own: a running worker costs
  /// the launcher no descriptor.
  void Started(pid_t pid);

  /// The path of both files without ".out" and ".err" (LogStem).
  std::string stem() const { return stdout_.path.substr(0, stdout_.path.rfind('.')); }

  /// Calls TrimLogFile for both files, unless another file has the name by now.
  void Trim() const;

  /// The last 4 KiB that were written to stderr since Open, unchanged. They include neither the
  /// heading nor what an earlier worker of the same id left in the file.
  std::string StderrTail() const;

 private:
  struct File {
    std::string path;
    Fd fd;
    struct stat at_open {};  // identifies the file, and has its size
  };

  WorkerLog() = default;

  File stdout_;
  File stderr_;
  std::string heading_;
  pid_t pid_ = 0;
};

}  // namespace bellis
