#pragma once

// The worker processes of a launcher, from start to the last trace.
//
//     Start --> running --> (leader ends, or Stop) --> ending --> exit reported, once
//
// A worker is its *leader*, the process that Start made, and everything that descends from it. Its
// exit is reported only when all of that is gone, because what is left could still write to the
// volume. When the leader has ended, the rest is ended: TERM, after a grace KILL.
//
// How the rest is found: this process is a subreaper, so what a leader leaves behind becomes our
// child. Such a stranger is a worker's if it lives in the worker's session, or was seen below the
// worker, or carries the worker's BELLIS_WORKER_TAG in its environment. What escapes all three (a
// daemon that left the session and wiped its environment, and was not below the worker when that
// was stopped) is only ended with the launcher, by EndDescendants.

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

/// In the environment of every worker: WorkerTagPrefix of its launcher, then its id.
inline constexpr char kWorkerTagVariable[] = "BELLIS_WORKER_TAG";
/// Names the process `launcher` for good, also when its pid is used again. Requires that it lives.
std::string WorkerTagPrefix(pid_t launcher);

struct WorkerCommand {
  std::vector<std::string> argv;
  Environment env;  // added to ours
  std::string cwd;  // empty: ours
  LogLabel log;     // the worker's number is put in by Start
};

/// A worker is gone, all of it.
struct WorkerExit {
  WorkerId worker;
  int exit_code = 0;
  int signal = 0;  // 0: the leader exited by itself
  std::string stderr_tail;
  std::vector<WorkingOn> working;  // what its connections had noted
};

/// Owns all children of this process: nothing else in it may fork or wait. One thread, which must
/// live as long as the workers: the kernel kills the leaders when it ends.
class ProcessTable {
 public:
  struct Options {
    /// For what a leader leaves behind, from TERM to KILL.
    Duration leftover_grace = Duration::Millis(1000);
    ProcessTree::Source tree_source = ProcessTree::Source::kBest;
  };
  /// Makes this process a subreaper.
  explicit ProcessTable(Options options);
  ProcessTable() : ProcessTable(Options()) {}
  ProcessTable(const ProcessTable&) = delete;
  ProcessTable& operator=(const ProcessTable&) = delete;

  /// Starts a worker and returns its leader's pid. The error says why it could not be started; then
  /// no exit will be reported. Requires !Has(worker).
  Result<pid_t> Start(WorkerId worker, const WorkerCommand& command);

  /// From Start until its exit is reported.
  bool Has(WorkerId worker) const { return workers_.contains(worker); }
  size_t size() const { return workers_.size(); }

  /// TERM to the worker's process group now, KILL to all of it at `now + grace`. May be repeated:
  /// the earliest KILL counts. Unknown workers are ignored.
  void Stop(WorkerId worker, Duration grace, Instant now);
  void StopAll(Duration grace, Instant now);

  /// Reaps, ends leftovers, carries out what is due, and returns the workers that are gone. To be
  /// called after SIGCHLD, and when next_deadline() is over.
  /// Cost: linear in the number of our children when one has ended, else next to nothing.
  std::vector<WorkerExit> Poll(Instant now);

  Instant next_deadline() const;

  /// WorkerLog::Trim for all, and EndedLogs::Sweep. To be called every few seconds while
  /// writes_logs(). Cost: some looks at the file system a worker.
  void TrimLogs();
  /// Whether anything of ours may still write to a log.
  bool writes_logs() const { return size() > 0 || ended_logs_.watched() > 0; }

 private:
  enum class Phase { kRunning, kTerminated, kKilled };  // what we have sent it
  struct Worker {
    pid_t leader = 0;  // also its process group and session
    bool leader_gone = false;
    Phase phase = Phase::kRunning;
    Instant kill_at = Instant::Never();
    int exit_code = 0;
    int signal = 0;
    WorkerLog log;
    std::optional<WorkPages::Index> page;
    std::map<pid_t, uint64_t> seen = {};  // descendants seen, with start_ticks
    std::set<pid_t> told = {};            // leftovers that had their TERM
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
  std::unordered_map<pid_t, WorkerId> leaders_;     // alive, or not yet reaped
  std::unordered_map<pid_t, WorkerId> sessions_;    // of all workers_
  std::unordered_map<pid_t, WorkerId> strangers_;   // children that came to us, and whose they are
  std::unordered_map<pid_t, Instant> blank_since_;  // strangers without an environment
  Instant doubt_until_ = Instant::Never();          // look again by then
  std::set<WorkerId> ending_;                       // leader_gone
  RunLinks links_;
  EndedLogs ended_logs_;
  WorkPages pages_;
  std::set<std::pair<Instant, WorkerId>> kill_times_;
};

}  // namespace bellis
