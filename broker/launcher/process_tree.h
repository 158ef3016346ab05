#pragma once

// The tree of processes, read from /proc. It is a snapshot: processes come and go meanwhile, so
// code that ends them must look again until none is left.

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
  uint64_t start_ticks = 0;  // since boot; together with the pid it is unique
};

/// nullopt: the process does not exist (any more).
std::optional<ProcessInfo> ReadProcess(pid_t pid);

/// The value of `name` in the environment that `pid` was started with; nullopt if there is no such
/// variable, or the environment cannot be read.
std::optional<std::string> ReadProcessEnv(pid_t pid, const std::string& name);
/// False for a process that has no environment, has ended, or is executing another program at this
/// moment.
bool HasEnvironment(pid_t pid);

/// One snapshot of the tree.
class ProcessTree {
 public:
  /// kBest lets the kernel list a process's children, if it was built with CONFIG_PROC_CHILDREN, as
  /// is usual. Otherwise, and with kScan, all of /proc is read once.
  enum class Source { kBest, kScan };
  explicit ProcessTree(Source source = Source::kBest);

  /// Includes zombies. Cost: linear in the number of children. With kScan the constructor's cost is
  /// linear in the number of processes on the machine.
  std::vector<pid_t> Children(pid_t pid) const;

  /// All descendants of `pid`, without `pid` itself; parents come before their children.
  std::vector<pid_t> Descendants(pid_t pid) const;

 private:
  bool scanned_;
  std::unordered_map<pid_t, std::vector<pid_t>> children_;  // only when scanned
};

/// Makes orphans among this process's descendants its own children instead of init's, so that none
/// escapes by a double fork or setsid. Lasts for the rest of this process's life.
void BecomeSubreaper();

/// Ends all descendants of this process, which must be a subreaper, and reaps them: TERM, then KILL
/// after `grace`, repeated until none is left or `bound` is over. Returns how many are left
/// (processes that hang in the kernel, or that belong to another user).
size_t EndDescendants(Duration grace, Duration bound);

/// Kills every process that has the variable `name` in its environment with a value that begins
/// with `prefix`, wherever it is in the tree, until none is left or `bound` is over. Returns how
/// many are left. Cost: linear in the number of processes on the machine.
size_t KillProcessesWith(const std::string& name, const std::string& prefix, Duration bound);

}  // namespace bellis
