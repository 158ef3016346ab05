#include "broker/launcher/process_table.h"

#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "broker/launcher/child_process.h"
#include "common/check.h"

namespace bellis {
namespace {

// How many searches in a row must find that an ended worker has left no process behind.
constexpr int kLooks = 3;
// A process without an environment is assumed to be executing another program for at most this
// long.
constexpr Duration kDoubtMax = Duration::Millis(500);
constexpr Duration kDoubtStep = Duration::Millis(5);

}  // namespace

std::string WorkerTagPrefix(pid_t launcher) {
  const std::optional<ProcessInfo> info = ReadProcess(launcher);
  return fmt::format("{}.{}.", launcher, info ? info->start_ticks : 0);
}

ProcessTable::ProcessTable(Options options)
    : options_(options), tag_prefix_(WorkerTagPrefix(getpid())) {
  BecomeSubreaper();
}

std::string ProcessTable::TagOf(WorkerId worker) const {
  return tag_prefix_ + std::to_string(worker.value);
}

Result<pid_t> ProcessTable::Start(WorkerId id, const WorkerCommand& command) {
  BELLIS_CHECK(!Has(id), "a worker is started once");
  const std::optional<WorkPages::Index> page = pages_.Take();
  Result<pid_t> pid = StartLogged(id, command, page);
  if (!pid.ok() && page) pages_.GiveBack(*page);
  return pid;
}

Result<pid_t> ProcessTable::StartLogged(WorkerId id, const WorkerCommand& command,
                                        std::optional<WorkPages::Index> page) {
  const std::string program = command.argv.empty() ? "" : command.argv[0];
  const auto cannot_start = [&](const Error& error) {
    return Error{error.code, fmt::format("cannot start \"{}\": {}", program, error.message)};
  };

  Environment added = command.env;
  added[kWorkerTagVariable] = TagOf(id);
  added[kWorkPageVariable] = page ? pages_.NameOf(*page) : "";
  Result<std::vector<std::string>> env = EnvironmentWith(added);
  if (!env.ok()) return cannot_start(env.error());
  LogLabel label = command.log;
  label.worker = id;
  Result<WorkerLog> log = WorkerLog::Open(label);
  if (!log.ok()) return cannot_start(log.error());
  if (const std::string trouble = links_.Point(label); !trouble.empty()) {
    spdlog::error("{}", trouble);  // error level, so that bellis run shows it
  }

  ChildCommand child;
  child.argv = command.argv;
  child.env = std::move(env.value());
  child.cwd = command.cwd;
  child.stdout_fd = log->stdout_fd();
  child.stderr_fd = log->stderr_fd();
  child.first_line = log->heading();
  const Result<pid_t> pid = StartChild(child);
  if (!pid.ok()) return pid.error();

  log.value().Started(*pid);
  workers_.emplace(id, Worker{.leader = *pid, .log = std::move(log.value()), .page = page});
  leaders_[*pid] = id;
  sessions_[*pid] = id;
  return *pid;
}

void ProcessTable::Stop(WorkerId id, Duration grace, Instant now) {
  const auto found = workers_.find(id);
  if (found == workers_.end()) return;
  Worker& worker = found->second;
  if (worker.phase == Phase::kKilled) return;
  if (worker.phase == Phase::kRunning) {
    // Done before any process dies, while the process tree is still intact.
    RememberDescendants(worker, worker.leader, ProcessTree(options_.tree_source));
    // Each process gets one TERM: many programs end at once on a second one.
    for (const auto& [pid, start] : worker.seen) {
      if (getpgid(pid) == worker.leader) worker.told.insert(pid);
    }
    // The leader is not reaped (the phase is kRunning), so its pid was not used again.
    kill(-worker.leader, SIGTERM);
    worker.phase = Phase::kTerminated;
  }
  SetKillTime(id, worker, std::min(worker.kill_at, now + grace));
}

void ProcessTable::StopAll(Duration grace, Instant now) {
  std::vector<WorkerId> ids;
  for (const auto& [id, worker] : workers_) ids.push_back(id);
  for (const WorkerId id : ids) Stop(id, grace, now);
}

std::vector<WorkerExit> ProcessTable::Poll(Instant now) {
  std::vector<WorkerExit> exits;
  KillDue(now);
  ReapEnded(now);
  EndLeftovers(now, &exits);
  return exits;
}

void ProcessTable::TrimLogs() {
  for (const auto& [id, worker] : workers_) worker.log.Trim();
  ended_logs_.Sweep();
}

Instant ProcessTable::next_deadline() const {
  return kill_times_.empty() ? doubt_until_ : std::min(doubt_until_, kill_times_.begin()->first);
}

void ProcessTable::ReapEnded(Instant now) {
  while (true) {
    siginfo_t ended{};
    // Looks without reaping: until a leader is reaped, its pid and group id cannot be used again.
    if (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid == 0) return;
    const pid_t pid = ended.si_pid;
    const auto leader = leaders_.find(pid);
    if (leader == leaders_.end()) {
      strangers_.erase(pid);
    } else {
      const WorkerId id = leader->second;
      Worker& worker = workers_.at(id);
      if (ended.si_code == CLD_EXITED) {
        worker.exit_code = ended.si_status;
      } else {
        worker.signal = ended.si_status;
      }
      LeaderEnded(id, now);
    }
    waitpid(pid, nullptr, 0);
  }
}

void ProcessTable::LeaderEnded(WorkerId id, Instant now) {
  Worker& worker = workers_.at(id);
  worker.leader_gone = true;
  leaders_.erase(worker.leader);
  ending_.insert(id);
  if (worker.phase == Phase::kRunning) {
    worker.phase = Phase::kTerminated;
    SetKillTime(id, worker, now + options_.leftover_grace);
  }
}

void ProcessTable::KillDue(Instant now) {
  while (!kill_times_.empty() && kill_times_.begin()->first <= now) {
    const WorkerId id = kill_times_.begin()->second;
    Worker& worker = workers_.at(id);
    SetKillTime(id, worker, Instant::Never());
    worker.phase = Phase::kKilled;
    if (worker.leader_gone) continue;  // EndLeftovers ends the rest
    RememberDescendants(worker, worker.leader, ProcessTree(options_.tree_source));
    kill(-worker.leader, SIGKILL);
  }
}

void ProcessTable::SetKillTime(WorkerId id, Worker& worker, Instant kill_at) {
  if (worker.kill_at != Instant::Never()) kill_times_.erase({worker.kill_at, id});
  worker.kill_at = kill_at;
  if (kill_at != Instant::Never()) kill_times_.insert({kill_at, id});
}

void ProcessTable::RememberDescendants(Worker& worker, pid_t root, const ProcessTree& tree) {
  for (const pid_t pid : tree.Descendants(root)) {
    if (const auto info = ReadProcess(pid)) worker.seen[pid] = info->start_ticks;
  }
}

void ProcessTable::EndLeftovers(Instant now, std::vector<WorkerExit>* exits) {
  doubt_until_ = Instant::Never();
  if (ending_.empty()) return;
  // When this process sees that a leader has ended, the leader's children have become its own
  // children ("strangers"), and all that descend from those are below a stranger. But one look may
  // miss a process that forks and ends, or executes another program, at that moment. So several
  // looks must agree.
  std::unordered_map<WorkerId, std::vector<pid_t>> left;
  for (int look = 0; look < kLooks; ++look) {
    for (const pid_t child : ProcessTree(options_.tree_source).Children(getpid())) {
      if (leaders_.contains(child)) continue;
      std::vector<pid_t>& roots = left[OwnerOf(child)];
      if (std::find(roots.begin(), roots.end(), child) == roots.end()) roots.push_back(child);
    }
  }
  const ProcessTree tree(options_.tree_source);
  const bool doubt = InDoubt(now, left[WorkerId()]);
  for (auto it = ending_.begin(); it != ending_.end();) {
    const WorkerId id = *it;
    const auto found = workers_.find(id);
    Worker& worker = found->second;
    if (const auto roots = left.find(id); roots != left.end()) {
      SignalLeftovers(worker, roots->second, tree);
      ++it;
      continue;
    }
    if (doubt) {
      ++it;
      continue;
    }
    exits->push_back({id, worker.exit_code, worker.signal, worker.log.StderrTail(), {}});
    if (worker.page) {
      exits->back().working = pages_.Read(*worker.page);
      pages_.GiveBack(*worker.page);
    }
    ended_logs_.Add(worker.log.stem());
    SetKillTime(id, worker, Instant::Never());
    const auto session = sessions_.find(worker.leader);
    if (session != sessions_.end() && session->second == id) sessions_.erase(session);
    workers_.erase(found);
    it = ending_.erase(it);
  }
}

/// Whether one of these strangers may belong to a worker after all. The environment of a process
/// reads as empty while it executes another program, and after it has ended (its children then
/// become strangers next). A process whose environment stays empty belongs to no worker.
bool ProcessTable::InDoubt(Instant now, const std::vector<pid_t>& nobodys) {
  std::unordered_map<pid_t, Instant> blank;
  for (const pid_t pid : nobodys) {
    if (HasEnvironment(pid)) continue;
    const auto before = blank_since_.find(pid);
    const Instant since = before == blank_since_.end() ? now : before->second;
    blank[pid] = since;
    if (now < since + kDoubtMax) doubt_until_ = std::min(doubt_until_, now + kDoubtStep);
  }
  blank_since_ = std::move(blank);
  return doubt_until_ != Instant::Never();
}

WorkerId ProcessTable::OwnerOf(pid_t stranger) {
  if (const auto known = strangers_.find(stranger); known != strangers_.end()) {
    return known->second;
  }
  WorkerId owner;  // none
  if (const auto info = ReadProcess(stranger)) {
    const auto session = sessions_.find(info->session);
    if (session != sessions_.end()) {
      owner = session->second;
    } else if (const auto tag = ReadProcessEnv(stranger, kWorkerTagVariable);
               tag && tag->starts_with(tag_prefix_)) {
      const WorkerId tagged(std::strtoull(tag->c_str() + tag_prefix_.size(), nullptr, 10));
      if (Has(tagged)) owner = tagged;
    } else {
      for (const WorkerId id : ending_) {
        const Worker& worker = workers_.at(id);
        const auto seen = worker.seen.find(stranger);
        if (seen != worker.seen.end() && seen->second == info->start_ticks) owner = id;
      }
    }
  }
  if (owner.set()) strangers_[stranger] = owner;
  return owner;
}

void ProcessTable::SignalLeftovers(Worker& worker, const std::vector<pid_t>& roots,
                                   const ProcessTree& tree) {
  for (const pid_t root : roots) {
    RememberDescendants(worker, root, tree);
    std::vector<pid_t> pids = tree.Descendants(root);
    pids.push_back(root);
    for (const pid_t pid : pids) {
      if (worker.phase == Phase::kKilled) {
        kill(pid, SIGKILL);
      } else if (worker.told.insert(pid).second) {
        kill(pid, SIGTERM);
      }
    }
  }
}

}  // namespace bellis
