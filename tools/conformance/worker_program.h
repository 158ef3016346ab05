#pragma once

// The worker that is tested: a process in a new session, and all processes that it starts.

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "bellis/job_spec.h"
#include "bellis/result.h"
#include "common/files/fd.h"

namespace bellis::conformance {

/// Belongs to one thread, which must live as long as the worker: the kernel kills the worker's
/// process when that thread ends. This
/// process is a subreaper (BecomeSubreaper).
class WorkerProgram {
 public:
  /// Starts `command` with `added` in its environment. `tag` is unique among all that live.
  static Result<WorkerProgram> Start(const std::vector<std::string>& command, Environment added,
                                     const std::string& tag);
  /// Kills and reaps all of it.
  ~WorkerProgram();
  WorkerProgram(WorkerProgram&& other) noexcept;
  WorkerProgram& operator=(WorkerProgram&&) = delete;

  pid_t pid() const { return pid_; }
  /// Readable as soon as the first process has ended.
  int end_fd() const { return end_.get(); }

  /// Whether the first process has ended; the processes that it started may live.
  bool Ended();
  /// How the process ended: "exited with code 1", "was ended by signal 9 (Killed)". Requires
  /// Ended().
  std::string EndText() const;
  /// The exit code of the process; nullopt if a signal ended it. Requires Ended().
  std::optional<int> exit_code() const;

  /// The worker's living processes: the first one, and those that it started.
  std::vector<pid_t> Living() const;
  /// "4711 (python3), 4712 (sleep)"
  static std::string Names(const std::vector<pid_t>& pids);
  /// Sends `signal` to all of Living().
  void Signal(int signal) const;

  /// The end of what it wrote to stdout and stderr.
  std::string OutputTail(size_t bytes_max) const;

 private:
  WorkerProgram(pid_t pid, Fd end, Fd output, std::string tag);

  pid_t pid_;
  Fd end_;
  Fd output_;
  std::string tag_;
  std::optional<int> status_;  // of waitpid
};

}  // namespace bellis::conformance
