#pragma once

// Who descends from whom, as /proc tells it. It is a snapshot: processes come and go meanwhile, so
// code that ends them looks again until none is left.

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/time.h"

namespace bellis {

struct ProcessInfo {
  pid_t pid = 0;
  pid_t parent = 0;
  pid_t session = 0;
  char state = '?';          // 'Z': ended, not yet reaped
  uint64_t start_ticks = 0;  // since boot; with the pid it names the process for good
};

/// nullopt: there is no such process (any more).
std::optional<ProcessInfo> ReadProcess(pid_t pid);

/// The value of `name` in the environment that `pid` was started with; nullopt when it is not
/// there, or not for us to read.
std::optional<std::string> ReadProcessEnv(pid_t pid, const std::string& name);
/// False for one that has none, has ended, or is executing another program right now.
bool HasEnvironment(pid_t pid);

/// One look at the tree.
class ProcessTree {
 public:
  /// The kernel lists a process's children where it was built to (CONFIG_PROC_CHILDREN, usual);
  /// otherwise all of /proc is read once.
  enum class Source { kBest, kScan };
  explicit ProcessTree(Source source = Source::kBest);

  /// Zombies too. Cost: linear in the number of children; with kScan the constructor pays, linear
  /// in the number of processes on the machine.
  std::vector<pid_t> Children(pid_t pid) const;

  /// Children, their children, and so on; parents before their children. Not `pid` itself.
  std::vector<pid_t> Descendants(pid_t pid) const;

 private:
  bool scanned_;
  std::unordered_map<pid_t, std::vector<pid_t>> children_;  // only when scanned
};

/// Makes orphans among our descendants our children instead of init's, so that none gets away:
/// not by a double fork, not by setsid. For the rest of this process's life.
void BecomeSubreaper();

/// Ends all descendants of this process, which must be a subreaper, and reaps them: TERM, after
/// `grace` KILL, again and again until none is left or `bound` is over. Returns how many are left
/// (processes that hang in the kernel, or that belong to another user).
size_t EndDescendants(Duration grace, Duration bound);

/// Kills every process that has the variable `name` in its environment with a value that begins
/// with `prefix`, wherever it is in the tree, until none is left or `bound` is over. Returns how
/// many are left. Cost: linear in the number of processes on the machine.
size_t KillProcessesWith(const std::string& name, const std::string& prefix, Duration bound);

}  // namespace bellis
