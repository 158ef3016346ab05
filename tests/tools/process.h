#pragma once

// Real programs in tests: start, signal, wait, read what they said.

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "tests/client/fake_broker.h"

namespace bellis {

struct ProcessEnd {
  int exit_code = -1;  // -1: ended by `signal`
  int signal = 0;
  std::string out;
  std::string err;
};

/// A child in a process group of its own. What is still there at the end is killed.
class Process {
 public:
  /// `env` is added to ours; every descendant can be found by `mark` (Descendants).
  Process(const std::vector<std::string>& command, const std::map<std::string, std::string>& env,
          const std::string& cwd);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  /// To it alone; to its whole group, as Ctrl-C in a terminal.
  void Signal(int signal) const;
  void SignalGroup(int signal) const;
  /// Waits; after `timeout_s` it is killed, and the test fails.
  ProcessEnd Wait(int timeout_s = 60);
  /// What it has said so far.
  std::string out() const;
  std::string err() const;
  /// Processes, it among them, that carry its mark in their environment.
  std::vector<pid_t> Descendants() const;
  /// Waits until there are none, ten seconds at most.
  bool NothingIsLeft() const;

 private:
  TemporaryDir dir_;
  std::string mark_;
  pid_t pid_ = -1;
  bool reaped_ = false;
};

/// Runs to the end.
ProcessEnd RunProcess(const std::vector<std::string>& command,
                      const std::map<std::string, std::string>& env = {},
                      const std::string& cwd = ".");

/// The path of a program of this build.
std::string Program(const std::string& name);

std::string ReadAll(const std::string& path);
/// Polls until it holds, `timeout_s` at most; whether it did.
bool Eventually(const std::function<bool()>& holds, int timeout_s = 20);

}  // namespace bellis
