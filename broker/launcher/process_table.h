#pragma once

// The worker processes of a launcher, from their start until every process that they started is
// gone.
//
//     Start --> running --> (leader ends, or Stop) --> ending --> exit reported, once
//
// A worker is its *leader*, the process that Start made, and all descendants of the leader. Its
// exit is reported only when all of them are gone, because a remaining process could still write to
// the volume. When the leader has ended, the others are ended: TERM, and KILL after a grace period.
//
// How the others are found: this process is a subreaper, so processes that a leader leaves behind
// become its children. Such a *stranger* belongs to a worker if it is in the worker's session, or
// was seen below the worker, or has the worker's BELLIS_WORKER_TAG in its environment. A process
// that escapes all three (a daemon that left the session, cleared its environment, and was not
// below the worker when the worker was stopped) is ended only with the launcher, by EndDescendants.

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "bellis/job_spec.h"
#include "bellis/result.h"
#include "broker/launcher/ended_logs.h"
#include "broker/launcher/process_tree.h"
#include "broker/launcher/run_links.h"
#include "broker/launcher/worker_log.h"
#include "common/ids.h"
#include "common/time.h"
#include "common/work_page.h"

namespace bellis {

/// A variable in the environment of every worker: WorkerTagPrefix of its launcher, then the
/// worker's id.
inline constexpr char kWorkerTagVariable[] = "BELLIS_WORKER_TAG";
/// A name for the process `launcher` that stays unique even when its pid is used again. Requires
/// that the process lives.
std::string WorkerTagPrefix(pid_t launcher);

struct WorkerCommand {
  std::vector<std::string> argv;
  Environment env;  // added to this process's environment
  std::string cwd;  // empty: that of this process
  LogLabel log;     // the worker's number is put in by Start
};

/// A worker is gone, with all its processes.
struct WorkerExit {
  WorkerId worker;
  int exit_code = 0;
  int signal = 0;  // 0: the leader exited by itself
  std::string stderr_tail;
  std::vector<WorkingOn> working;  // the leases that its connections had noted
};

/// Owns all children of this process: nothing else in the process may fork or wait. One thread,
/// which must live as long as the workers: the kernel kills the leaders when the thread ends.
class ProcessTable {
 public:
  struct Options {
    /// The time from TERM to KILL for processes that a leader leaves behind.
    Duration leftover_grace = Duration::Millis(1000);
    ProcessTree::Source tree_source = ProcessTree::Source::kBest;
  };
  /// Makes this process a subreaper.
  explicit ProcessTable(Options options);
  ProcessTable() : ProcessTable(Options()) {}
  ProcessTable(const ProcessTable&) = delete;
  ProcessTable& operator=(const ProcessTable&) = delete;

  /// Starts a worker and returns its leader's pid. If it cannot be started, the error says why, and
  /// no exit is reported. Requires !Has(worker).
  Result<pid_t> Start(WorkerId worker, const WorkerCommand& command);

  /// True from Start until the worker's exit is reported.
  bool Has(WorkerId worker) const { return workers_.contains(worker); }
  size_t size() const { return workers_.size(); }

  /// Sends TERM to the worker's process group now, and KILL to all its processes at `now + grace`.
  /// May be repeated: the earliest KILL counts. Unknown workers are ignored.
  void Stop(WorkerId worker, Duration grace, Instant now);
  void StopAll(Duration grace, Instant now);

  /// Reaps children, ends leftovers, sends signals that are due, and returns the workers that are
  /// gone. Must be called after SIGCHLD, and at next_deadline(). Cost: linear in the number of
  /// children if one has ended, else almost nothing.
  std::vector<WorkerExit> Poll(Instant now);

  Instant next_deadline() const;

  /// WorkerLog::Trim for all workers, and EndedLogs::Sweep. Must be called every few seconds while
  /// writes_logs(). Cost: some file system calls per worker.
  void TrimLogs();
  /// Whether a worker, or a process that it left behind, may still write to a log.
  bool writes_logs() const { return size() > 0 || ended_logs_.watched() > 0; }

 private:
  enum class Phase { kRunning, kTerminated, kKilled };  // which signal it was sent
  struct Worker {
    pid_t leader = 0;  // also its process group and session
    bool leader_gone = false;
    Phase phase = Phase::kRunning;
    Instant kill_at = Instant::Never();
    int exit_code = 0;
    int signal = 0;
    WorkerLog log;
    std::optional<WorkPages::Index> page;
    std::map<pid_t, uint64_t> seen = {};  // descendants that were seen, with their start_ticks
    std::set<pid_t> told = {};            // processes that were sent TERM
  };

  std::string TagOf(WorkerId worker) const;
  Result<pid_t> StartLogged(WorkerId worker, const WorkerCommand& command,
                            std::optional<WorkPages::Index> page);
  void ReapEnded(Instant now);
  void LeaderEnded(WorkerId worker, Instant now);
  void KillDue(Instant now);
  void SetKillTime(WorkerId id, Worker& worker, Instant kill_at);
  void RememberDescendants(Worker& worker, pid_t root, const ProcessTree& tree);
  void EndLeftovers(Instant now, std::vector<WorkerExit>* exits);
  bool InDoubt(Instant now, const std::vector<pid_t>& nobodys);
  WorkerId OwnerOf(pid_t stranger);
  void SignalLeftovers(Worker& worker, const std::vector<pid_t>& roots, const ProcessTree& tree);

  const Options options_;
  const std::string tag_prefix_;

  std::unordered_map<WorkerId, Worker> workers_;
  std::unordered_map<pid_t, WorkerId> leaders_;     // leaders that are not reaped yet
  std::unordered_map<pid_t, WorkerId> sessions_;    // of all workers_
  std::unordered_map<pid_t, WorkerId> strangers_;   // adopted children, and their workers
  std::unordered_map<pid_t, Instant> blank_since_;  // strangers without an environment
  Instant doubt_until_ = Instant::Never();          // when to look again
  std::set<WorkerId> ending_;                       // leader_gone
  RunLinks links_;
  EndedLogs ended_logs_;
  WorkPages pages_;
  std::set<std::pair<Instant, WorkerId>> kill_times_;
};

}  // namespace bellis
