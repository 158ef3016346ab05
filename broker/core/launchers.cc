// Launchers: hello, away and back; starting workers.

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "broker/core/broker_core.h"
#include "broker/schedule/mutation.h"

namespace bellis {
namespace {

/// Between two looks of a task that gets no resources for workers of others that have no work.
constexpr Duration kLookForIdle = Duration::Seconds(1);

}  // namespace

/// The launcher that says this hello: by its process, over whatever connection; one that does not
/// tell its pid only over the same one. None: a new one.
LauncherId BrokerCore::FindLauncher(PeerId peer, const HelloMsg& hello) const {
  for (const auto& [id, launcher] : launchers_) {
    const bool same_process = launcher.host == hello.host && launcher.pid == hello.pid;
    if (same_process && (hello.pid != 0 || launcher.peer == peer)) return id;
  }
  return {};
}

void BrokerCore::HelloLauncher(PeerId peer, const HelloMsg& hello) {
  turn_.Log(LogLevel::kInfo,
            fmt::format("launcher connected from {} (pid {})", hello.host, hello.pid));
  LauncherId id = FindLauncher(peer, hello);
  if (!id.set()) {
    id = LauncherId(++last_launcher_);
    launchers_[id].host = hello.host;
    launchers_[id].pid = hello.pid;
    launchers_[id].machine = hello.machine;
  }
  BindLauncher(id, peer);
  std::vector<LauncherId> former;
  for (const auto& [other, launcher] : launchers_) {
    if (other == id) continue;
    if (hello.former_pid != 0 && launcher.host == hello.host && launcher.pid == hello.former_pid) {
      former.push_back(other);
    } else if (launcher.peer.set()) {
      // If it has died, this cannot be delivered, and we know that it is away.
      turn_.Send(launcher.peer, PongMsg{});
    }
  }
  for (const LauncherId other : former) {
    const PeerId its_peer = launchers_[other].peer;
    if (its_peer.set()) {
      peers_.erase(its_peer);
      turn_.out().forget.push_back(its_peer);
    }
    LauncherLost(other);
  }
  if (stopping_) return turn_.Send(peer, LeaveMsg{"the broker is about to stop"});
  jobs_.TouchAll();
}

/// From now on this is its connection. What it was told over the former one may be lost, so it is
/// told again; it does not mind.
void BrokerCore::BindLauncher(LauncherId id, PeerId peer) {
  Launcher& launcher = launchers_[id];
  if (launcher.peer.set() && launcher.peer != peer) {
    peers_.erase(launcher.peer);
    turn_.out().forget.push_back(launcher.peer);
  }
  launcher.peer = peer;
  launcher.away_since = Instant::Never();
  peers_[peer].launcher = id;
  for (const WorkerId id_of_worker : launcher.workers) {
    Worker& worker = *Find(id_of_worker);
    if (worker.stop_asked) {
      StopProcess(worker);
    } else if (worker.starting && !worker.reported) {
      SendLaunch(worker);
    }
  }
}

/// Its connection is over. Its processes may live on, unless it said otherwise.
void BrokerCore::LauncherGone(LauncherId id, PeerEnd end) {
  Launcher& launcher = launchers_[id];
  launcher.peer = PeerId();
  if (LaunchersHere().empty()) no_launcher_since_ = turn_.now();
  if (end == PeerEnd::kBye || launcher.pid == 0) return LauncherLost(id);
  launcher.away_since = turn_.now();
  if (!launcher.machine.empty()) {
    launcher.probed = false;  // sooner than was planned
    ArmProbe(id);
  }
  turn_.Wake({turn_.now() + options_.launcher_wait, TimerKind::kLauncherAway, id.value});
  turn_.Log(LogLevel::kWarning,
            fmt::format("the launcher at {} (pid {}) cannot be reached; it has {:g} s to come back",
                        launcher.host, launcher.pid, options_.launcher_wait.seconds()));
}

void BrokerCore::LauncherAwayTooLong(LauncherId id) {
  const auto found = launchers_.find(id);
  if (found == launchers_.end() || found->second.away_since == Instant::Never()) return;
  Launcher& launcher = found->second;
  if (turn_.now() < launcher.away_since + options_.launcher_wait) return;
  // On our machine its end would have been noticed, so it is stopped; its workers may not be, and
  // of those without heartbeats nobody knows more.
  const bool ours = !launcher.machine.empty() && launcher.machine == options_.machine;
  const bool unseen =
      std::any_of(launcher.workers.begin(), launcher.workers.end(), [this](WorkerId worker_id) {
        const Worker& worker = *Find(worker_id);
        return worker.heartbeat_ms == 0 && (worker.recovering || !worker.held.empty());
      });
  if (ours && unseen) {
    turn_.Wake({turn_.now() + options_.launcher_wait, TimerKind::kLauncherAway, id.value});
    return;
  }
  LauncherLost(id);
}

/// A message to a launcher that has died cannot be delivered; only so are lost orders noticed.
void BrokerCore::ProbeLauncher(LauncherId id) {
  const auto found = launchers_.find(id);
  if (found == launchers_.end()) return;
  Launcher& launcher = found->second;
  launcher.probed = false;
  if (launcher.peer.set() && launcher.workers.empty()) return;
  if (launcher.peer.set()) {
    turn_.Send(launcher.peer, PongMsg{});
  } else if (!launcher.machine.empty()) {
    turn_.out().probes.push_back({id, {launcher.host, launcher.machine, launcher.pid}});
  }
  ArmProbe(id);
}

/// While it is away, its process is looked for more often.
void BrokerCore::ArmProbe(LauncherId id) {
  Launcher& launcher = launchers_[id];
  if (std::exchange(launcher.probed, true)) return;
  const Duration wait = launcher.peer.set() ? options_.launcher_probe : Duration::Millis(200);
  turn_.Wake({turn_.now() + wait, TimerKind::kLauncherProbe, id.value});
}

void BrokerCore::LauncherLost(LauncherId id) {
  turn_.Log(stopping_ ? LogLevel::kInfo : LogLevel::kWarning,
            "a launcher is gone, and its workers with it");
  // If no other is there, that is so since then.
  const Instant since = launchers_[id].away_since;
  const std::set<WorkerId> lost = launchers_[id].workers;
  for (const WorkerId worker_id : lost) {
    Worker& worker = *Find(worker_id);
    if (!stopping_) FurtherBecomeVisitors(worker);
    if (worker.heartbeat_ms > 0 && worker.lease_until > turn_.now() && !worker.vacant &&
        !stopping_) {
      BecomeVisitor(worker);
      continue;
    }
    Pool& pool = PoolOf(worker);
    pool.launcher_missing_since = std::min(pool.launcher_missing_since, since);
    worker.exit_expected = worker.orphaned = true;  // not its own fault
    worker.overdue = false;
    ExitedMsg exited;
    exited.worker = worker_id;
    exited.signal = SIGKILL;
    WorkerExited(worker, exited);
  }
  launchers_.erase(id);
}

/// Its launcher is lost; it may not be, and its leases have not ended. Nobody reports its end now.
void BrokerCore::BecomeVisitor(Worker& worker) {
  launchers_.at(worker.launcher).workers.erase(worker.id);
  Pool& pool = PoolOf(worker);
  --pool.groups[worker.group].active;
  ++worker.job->tasks[worker.task].restarts;
  worker.launched = false;
  worker.launcher = LauncherId();
  worker.job->Touch(worker.task);
  jobs_.Queue(*worker.job);
  if (!worker.peer.set()) ArmProbe(worker);
}

void BrokerCore::OnLaunched(PeerId peer, const LaunchedMsg& launched) {
  Worker* worker = Find(launched.worker);
  if (worker == nullptr || worker->launcher != peers_.at(peer).launcher) {
    // We gave it up while its launcher was away: nothing is to run that nobody watches.
    turn_.Log(LogLevel::kInfo,
              fmt::format("unknown worker {} runs: stopped", launched.worker.value));
    return turn_.Send(peer, StopMsg{launched.worker, options_.stop_grace_ms});
  }
  worker->launched_pid = launched.pid;
  if (std::exchange(worker->reported, true)) return;
  turn_.Log(LogLevel::kDebug,
            fmt::format("worker {} started (pid {})", launched.worker.value, launched.pid));
  if (!worker->starting) return;
  turn_.Wake({turn_.now() + options_.hello_wait, TimerKind::kHello, worker->id.value});
}

/// Those that can be told something.
std::vector<LauncherId> BrokerCore::LaunchersHere() const {
  std::vector<LauncherId> here;
  for (const auto& [id, launcher] : launchers_) {
    if (launcher.peer.set()) here.push_back(id);
  }
  return here;
}

void BrokerCore::SendToLauncher(const Worker& worker, Message message) {
  const PeerId peer = launchers_.at(worker.launcher).peer;
  if (peer.set()) turn_.Send(peer, std::move(message));
}

/// Whether there is something to do for those of that duty.
bool BrokerCore::Needed(const Job& job, TaskIndex t, Duty duty) {
  const TaskRun& task = job.tasks[t];
  const TaskSpec& spec = job.spec.tasks[t];
  const BlockCounts& counts = job.counts(t);
  switch (duty) {
    case Duty::kWork:
      return spec.check ? !task.cleared.empty() || !task.held_back.empty() : counts.ready > 0;
    case Duty::kCheck: return spec.check && counts.ready > 0;
    case Duty::kPostCheck: return spec.post_check && counts.leased > 0;
  }
  return false;
}

/// How many processes there may be: the places, but those whose process left of its own accord, and
/// those of groups that are given up, of which only what runs counts.
uint64_t BrokerCore::Permitted(const Job& job, TaskIndex t, Duty duty) {
  uint64_t places = 0;
  const auto specs = GroupsOf(job.spec.tasks[t], duty);
  const Pool& pool = job.tasks[t].pool(duty);
  for (size_t g = 0; g < pool.groups.size(); ++g) {
    const GroupRun& group = pool.groups[g];
    const uint64_t count = g < specs.size() && group.error.empty() ? specs[g].count : 0;
    places += std::max(group.active, count - std::min(count, group.retired));
  }
  return job.spec.serial ? std::min<uint64_t>(places, 1) : places;
}

/// Processes that were asked for, or run.
uint64_t BrokerCore::Active(const Pool& pool) {
  uint64_t active = 0;
  for (const GroupRun& group : pool.groups) active += group.active;
  return active;
}

/// How many processes there should be while there is something to do for them.
uint64_t BrokerCore::Wanted(const Job& job, TaskIndex t, Duty duty) {
  return std::min(Permitted(job, t, duty), job.counts(t).unfinished());
}

/// Whether the task should have more processes of that duty than it has.
bool BrokerCore::LacksProcess(const Job& job, TaskIndex t, Duty duty) const {
  const TaskRun& task = job.tasks[t];
  if (stopping_ || task.closed || !task.error.empty() || !Needed(job, t, duty)) return false;
  if (job.spec.tasks[t].paused && duty != Duty::kPostCheck) return false;
  if (Active(task.pool(duty)) >= Wanted(job, t, duty)) return false;
  if (HasEnoughForTheRest(job, t, duty)) return false;
  return !job.spec.serial || duty == Duty::kPostCheck || job.leased() == 0;
}

/// True: it was its turn, a pool has lacked a process for long and nobody could start one, and the
/// task is given up. To be asked before anything is handed out.
bool BrokerCore::GiveUpWithoutLauncher(Job& job, TaskIndex t, bool its_turn) {
  for (const Duty duty : kAllDuties) {
    Pool& pool = job.tasks[t].pool(duty);
    const bool turn = its_turn || duty == Duty::kPostCheck;
    if (!turn || !LacksProcess(job, t, duty) || !LaunchersHere().empty()) {
      if (!Mutated(Mutation::kLauncherWaitKept)) pool.launcher_missing_since = Instant::Never();
    } else if (AwaitLauncher(job, t, duty) && Deserted(job, t, duty)) {
      AbandonTask(job, t, "no launcher is connected to start its workers");
      return true;
    }
  }
  return false;
}

/// Whether the pool has waited for one for long enough.
bool BrokerCore::AwaitLauncher(Job& job, TaskIndex t, Duty duty) {
  Pool& pool = job.tasks[t].pool(duty);
  if (pool.launcher_missing_since == Instant::Never()) pool.launcher_missing_since = turn_.now();
  const Instant limit =
      std::max(pool.launcher_missing_since, no_launcher_since_) + options_.launcher_wait;
  if (turn_.now() < limit) SetTimer(job, t, limit);
  return turn_.now() >= limit;
}

/// Starts processes while there is something to do for them, and fewer than there may be.
void BrokerCore::LaunchWorkers(Job& job, TaskIndex t) {
  for (const Duty duty : kAllDuties) LaunchPool(job, t, duty);
}

void BrokerCore::LaunchPool(Job& job, TaskIndex t, Duty duty) {
  Pool& pool = job.tasks[t].pool(duty);
  while (LacksProcess(job, t, duty)) {
    if (!LaunchOne(job, t, duty)) return;
  }
  // The wait for a launcher counts while one is needed.
  if (!Mutated(Mutation::kLauncherWaitKept)) pool.launcher_missing_since = Instant::Never();
}

/// The next group, in turn, that may start a process now. None: a timer is set for when one may.
std::optional<size_t> BrokerCore::NextGroup(Job& job, TaskIndex t, Duty duty) {
  Pool& pool = job.tasks[t].pool(duty);
  const auto specs = GroupsOf(job.spec.tasks[t], duty);
  Instant soonest = Instant::Never();
  for (size_t i = 0; i < specs.size(); ++i) {
    const size_t g = (pool.next_group + i) % specs.size();
    const GroupRun& group = pool.groups[g];
    if (!group.error.empty() || group.active + group.retired >= specs[g].count) continue;
    if (turn_.now() >= group.launch_at) {
      pool.next_group = (g + 1) % specs.size();
      return g;
    }
    soonest = std::min(soonest, group.launch_at);
  }
  if (soonest != Instant::Never()) SetTimer(job, t, soonest);
  return std::nullopt;
}

/// A task has blocks, and gets no worker for want of `resource`. Workers of other tasks that have
/// had nothing to do for a while make room, one at a time. Cost: linear in the workers, at most
/// once a second for a task.
void BrokerCore::AwaitResources(Job& job, TaskIndex t, const std::string& resource) {
  budget_.Await(job.number, t);
  Pool& pool = job.tasks[t].pool(Duty::kWork);
  if (turn_.now() < pool.look_for_idle_at) return SetTimer(job, t, pool.look_for_idle_at);
  pool.look_for_idle_at = turn_.now() + kLookForIdle;
  SetTimer(job, t, pool.look_for_idle_at);
  for (auto& [id, worker] : workers_) {
    const auto has = worker.resources.find(resource);
    if (has == worker.resources.end() || has->second == 0) continue;
    if (worker.leaving) return;  // one is on its way out
  }
  for (auto& [id, worker] : workers_) {
    const auto has = worker.resources.find(resource);
    if (has == worker.resources.end() || has->second == 0 || !worker.parked) continue;
    const bool other = worker.job != &job || worker.task != t;
    const bool idle = worker.held.empty() && turn_.now() >= worker.parked_since + kLookForIdle &&
                      worker.job->running() && worker.job->counts(worker.task).ready == 0;
    if (other && idle) return Drain(worker, "its resources are needed by another task");
  }
}

bool BrokerCore::LaunchOne(Job& job, TaskIndex t, Duty duty) {
  TaskRun& task = job.tasks[t];
  Pool& pool = task.pool(duty);
  const std::vector<LauncherId> here = LaunchersHere();
  if (!durable_.HasWorkerIds()) return false;  // their mark will be durable soon
  if (here.empty()) {
    AwaitLauncher(job, t, duty);  // what was handed out just now may need a post_check
    return false;
  }
  if (duty == Duty::kWork) {
    const std::string lacking = budget_.Lacking(job.spec.tasks[t]);
    if (!lacking.empty()) {
      AwaitResources(job, t, lacking);
      return false;
    }
  }
  const auto g = NextGroup(job, t, duty);
  if (!g) return false;
  ++pool.groups[*g].active;
  task.launched_any = true;
  const WorkerId id = durable_.NextWorker();
  Worker& worker = AddWorker(id, job, t, duty);
  worker.launched = true;
  worker.starting = true;
  ++pool.starting;
  worker.slot = pool.slots.Take();
  worker.launcher = here[id.value % here.size()];
  launchers_[worker.launcher].workers.insert(id);
  ArmProbe(worker.launcher);
  worker.group = *g;
  if (duty == Duty::kWork) worker.resources = budget_.Take(job.spec.tasks[t]);
  SendLaunch(worker);
  return true;
}

void BrokerCore::SendLaunch(const Worker& worker) {
  const TaskSpec& spec = worker.job->spec.tasks[worker.task];
  if (worker.group >= GroupsOf(spec, worker.duty).size()) return;  // the group is no more
  const WorkerGroup& group = GroupsOf(spec, worker.duty)[worker.group];
  LaunchMsg launch{worker.id,
                   worker.job->id,
                   spec.task_id,
                   group.command,
                   worker.job->spec.env,
                   worker.job->spec.cwd,
                   worker.job->spec.log_dir,
                   worker.job->spec.origin.run};
  for (const auto& [name, value] : spec.env) launch.env[name] = value;
  for (const auto& [name, value] : group.env) launch.env[name] = value;
  launch.env["BELLIS_SLOT"] = std::to_string(worker.slot);
  if (worker.duty != Duty::kWork) launch.env["BELLIS_DUTY"] = DutyName(worker.duty);
  SendToLauncher(worker, std::move(launch));
}

}  // namespace bellis
