#pragma once

// Starts one program as a child process: fork, a fixed list of system calls, exec. No shell.
//
// Between fork and exec the child only makes async-signal-safe calls on memory that was laid out
// before the fork, so this works in a process with threads, whatever locks they hold.

#include <sys/types.h>

#include <string>
#include <vector>

#include "bellis/job_spec.h"
#include "bellis/result.h"

namespace bellis {

/// The program to start, and what it inherits. Descriptors are borrowed: the caller closes its own
/// copies.
struct ChildCommand {
  std::vector<std::string> argv;  // argv[0] without '/' is looked up in PATH of `env`
  std::vector<std::string> env;   // the whole environment, "NAME=value" each
  std::string cwd;                // empty: that of this process
  int stdin_fd = -1;              // -1: /dev/null
  int stdout_fd = -1;             // -1: /dev/null
  int stderr_fd = -1;             // -1: /dev/null
  /// Before the program runs, the child writes this line to its stdout and stderr, with its pid and
  /// "]\n" at the end. Empty: it writes nothing.
  std::string first_line;
  int fd3 = -1;  // becomes descriptor 3; -1: none. No other descriptor is inherited
  /// The kernel kills the child (only it, not its children) when the *thread* that called
  /// StartChild ends, however it ends.
  bool die_with_parent = true;
};

/// Starts the child in a new session and process group (group == session == its pid), with default
/// signal dispositions and no signal blocked. Returns its pid once the program runs, that is, when
/// exec succeeded; the caller must reap it. Errors name the program and what is wrong:
/// `cannot start "foo": No such file or directory (looked in PATH=/usr/bin:/bin)`, and leave no
/// process behind. Waits at most 30 s for the exec.
Result<pid_t> StartChild(const ChildCommand& command);

/// The environment of this process, with the variables of `added` set, in the form that
/// ChildCommand needs.
/// Error: a name that is empty or holds '=', or a NUL anywhere.
Result<std::vector<std::string>> EnvironmentWith(const Environment& added);

}  // namespace bellis
