#pragma once

// Runs real programs in tests: starts them, sends signals, waits, and reads their output.

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "tests/client/fake_broker.h"

namespace bellis {

struct ProcessEnd {
  int exit_code = -1;  // -1: the process was ended by `signal`
  int signal = 0;
  std::string out;
  std::string err;
};

/// A child in its own process group. Processes that are still alive at the end are killed.
class Process {
 public:
  /// Adds `env` to our environment, and a mark by which every descendant can be found
  /// (Descendants).
  Process(const std::vector<std::string>& command, const std::map<std::string, std::string>& env,
          const std::string& cwd);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  /// Signal sends to the child alone, SignalGroup to its whole group, as Ctrl-C in a terminal does.
  void Signal(int signal) const;
  void SignalGroup(int signal) const;
  /// Waits for the child's end. After `timeout_s` the child is killed, and the test fails.
  ProcessEnd Wait(int timeout_s = 60);
  /// The child's output so far.
  std::string out() const;
  std::string err() const;
  /// The processes that have the child's mark in their environment; the child is one of them.
  std::vector<pid_t> Descendants() const;
  /// Waits, ten seconds at most, until no such process is left.
  bool NothingIsLeft() const;

 private:
  TemporaryDir dir_;
  std::string mark_;
  pid_t pid_ = -1;
  bool reaped_ = false;
};

/// Runs a command to its end.
ProcessEnd RunProcess(const std::vector<std::string>& command,
                      const std::map<std::string, std::string>& env = {},
                      const std::string& cwd = ".");

/// The path of a program of this build.
std::string Program(const std::string& name);

std::string ReadAll(const std::string& path);
/// Polls until `holds()` is true, for `timeout_s` at most. Returns whether it was.
bool Eventually(const std::function<bool()>& holds, int timeout_s = 20);

}  // namespace bellis
