// How long a worker's leases last, and what becomes of them when its connection breaks.
//
//   connected --connection breaks--> away --hello of the same session--> connected
//       |                              |
//       '---- no ping for a lease -----'---> its leases are over; they are free
//
// The end of a lease comes by the broker's clock, after the time by which the worker, by its own,
// has surely stopped (PROTOCOL.md "Leases end").

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/core/broker_core.h"
#include "broker/schedule/mutation.h"

namespace bellis {
namespace {

constexpr Duration kProbeInterval = Duration::Millis(200);
constexpr Duration kExitReportWait = Duration::Seconds(2);
constexpr char kProcessGone[] = "worker lost: its process is gone";

}  // namespace

/// Whether what it holds, or may hold, stays its when its connection is gone. Without heartbeats,
/// a launcher or a look at its process only somebody who knows can say that it has ended
/// (OnWorkerGone).
bool BrokerCore::KeepsLeases(const Worker& worker) {
  if (worker.heartbeat_ms > 0 || worker.launched || worker.starter.set()) return true;
  const bool holds = worker.recovering || !worker.held.empty();
  return holds && !worker.job->spec.tasks[worker.task].unsafe_leases;
}

/// `turn_.now()` is when its ping has come. What an earlier broker with longer leases may have
/// promised stays promised.
void BrokerCore::RenewLease(Worker& worker) {
  worker.heard = turn_.now();
  if (worker.heartbeat_ms == 0) return;
  const Duration lease = options_.lease;
  const Instant until =
      turn_.now() + (Mutated(Mutation::kLeaseTooShort) ? Duration{lease.ns / 4} : lease);
  const bool promised = worker.lease_until != Instant::Never() && worker.lease_until > until;
  if (!promised) worker.lease_until = until;
  if (std::exchange(worker.lease_armed, true)) return;
  turn_.Wake({worker.lease_until, TimerKind::kLease, worker.id.value});
}

void BrokerCore::LeaseDue(Worker& worker) {
  worker.lease_armed = false;
  if (worker.lease_until == Instant::Never()) return;
  if (worker.lease_until > turn_.now()) {
    worker.lease_armed = true;
    turn_.Wake({worker.lease_until, TimerKind::kLease, worker.id.value});
    return;
  }
  WorkerLost(worker, worker.heartbeat_ms > 0 ? fmt::format("worker lost: not heard of for {:g} s",
                                                           options_.lease.seconds())
                                             : "worker lost: it did not come back to this broker");
}

/// Nobody works on what it held any more.
void BrokerCore::WorkerLost(Worker& worker, const std::string& reason) {
  turn_.Log(LogLevel::kWarning, fmt::format("worker {} of task {}: {}", worker.id.value,
                                            worker.job->spec.tasks[worker.task].task_id, reason));
  if (worker.peer.set()) {
    const auto peer = peers_.find(worker.peer);
    if (peer != peers_.end()) peer->second.worker = nullptr;
    Disconnect(worker);
  }
  Reported(worker);
  LeasesOver(worker, reason, IsExcused(worker));
  if (!worker.launched) return Remove(worker.id);
  if (!worker.further.empty()) return IsVacant(worker);  // the others go on
  worker.lease_until = Instant::Never();
  StopGiving(worker);
  StopProcess(worker);
}

/// Why the word of a client that this worker has ended is not taken; empty when it is. A slip must
/// not free what a living process holds, so it is taken only where nobody else can know.
std::string BrokerCore::MayBeAliveBecause(const Worker& worker) const {
  if (const Worker& place = PlaceOf(worker); place.launched) {
    const Launcher& launcher = launchers_.at(place.launcher);
    return fmt::format(
        "its launcher ({}) {}",
        ProcessRef{launcher.host, launcher.machine, launcher.pid}.ToString(),
        launcher.peer.set()
            ? "reports its end"
            : "is away: it comes back, or is taken for lost, and its workers with it");
  }
  if (worker.peer.set()) return "it is connected";
  if (worker.heartbeat_ms > 0) return "it sends heartbeats: its leases end by themselves";
  if (worker.process.pid > 0 && !options_.machine.empty() &&
      worker.process.machine == options_.machine) {
    return fmt::format("its process, pid {}, is there on the broker's machine", worker.process.pid);
  }
  return "";
}

/// A client vouches for the end of a worker's process.
void BrokerCore::OnWorkerGone(PeerId peer, const WorkerGoneMsg& gone) {
  Worker* worker = Find(gone.worker);
  if (worker == nullptr) {
    return turn_.Refuse(
        peer, ErrorCode::kUnknownWorker,
        fmt::format("worker_gone.worker is {}: no such worker (any more)", gone.worker.value),
        gone.req);
  }
  if (const std::string alive = MayBeAliveBecause(*worker); !alive.empty()) {
    return turn_.Refuse(peer, ErrorCode::kWorkerAlive,
                        fmt::format("worker_gone.worker is {}: {}", gone.worker.value, alive),
                        gone.req);
  }
  WorkerLost(*worker, "worker lost: a client said that its process has ended");
  WhenDurable(AnswerIsDurable{peer, OkMsg{gone.req}});
}

/// Its connection is gone, it may not be.
void BrokerCore::Detach(Worker& worker) {
  Disconnect(worker);
  turn_.Log(LogLevel::kInfo,
            fmt::format("worker {} of task {} has lost its connection; it holds {} blocks",
                        worker.id.value, worker.job->spec.tasks[worker.task].task_id,
                        worker.held.size()));
  // A launched worker without a session can come back only if its process is known: it has the
  // reconnect window for that. Any other is ended.
  if (worker.session == 0 && PlaceOf(worker).launched) {
    if (worker.process.machine.empty() || worker.process.pid <= 0) {
      StopProcess(PlaceOf(worker));
    } else {
      worker.away_since = turn_.now();
      turn_.Wake(
          {turn_.now() + options_.reconnect_window, TimerKind::kStopWorker, worker.id.value});
    }
  }
  ArmProbe(worker);
}

/// From now on its process is looked for every so often, while it is not connected.
void BrokerCore::ArmProbe(Worker& worker) {
  if (worker.process.machine.empty() || worker.process.pid <= 0) return;
  turn_.out().probes.push_back({worker.id, worker.process});
  if (std::exchange(worker.probing, true)) return;
  turn_.Wake({turn_.now() + kProbeInterval, TimerKind::kProbe, worker.id.value});
}

/// The process of a connection is gone, and the one that the launcher has started may have been
/// another, which goes on: then nobody reports an exit.
void BrokerCore::StartedProcessGone(Worker& worker) {
  const bool is_main = worker.launched_pid == 0 || worker.launched_pid == worker.process.pid;
  if (is_main) return;
  worker.gone_since = std::min(worker.gone_since, turn_.now());
  if (turn_.now() >= worker.gone_since + kExitReportWait) Vacate(worker, kProcessGone);
}

void BrokerCore::ProbeDue(Worker& worker) {
  worker.probing = false;
  if (!worker.peer.set() && !worker.vacant) ArmProbe(worker);
}

void BrokerCore::OnProcessGone(const ProcessGone& gone) {
  if (const auto* launcher = std::get_if<LauncherId>(&gone.subject)) {
    const auto found = launchers_.find(*launcher);
    if (found != launchers_.end() && !found->second.peer.set()) LauncherLost(*launcher);
    return;
  }
  Worker* worker = Find(std::get<WorkerId>(gone.subject));
  if (worker == nullptr || worker->peer.set() || worker->vacant) return;
  if (gone.pid != worker->process.pid) return;  // of the one before
  if (!worker->launched) return WorkerLost(*worker, kProcessGone);
  // Its launcher tells more, when it is there: how it ended, and that its children are gone, too.
  if (launchers_.at(worker->launcher).peer.set()) return StartedProcessGone(*worker);
  if (!worker->further.empty()) return Vacate(*worker, kProcessGone);
  worker->exit_expected = worker->orphaned = true;  // it may have gone with its launcher
  ExitedMsg exited;
  exited.worker = worker->id;
  exited.signal = 9;
  WorkerExited(*worker, exited);
}

/// The second connection of a worker says hello: it will ping for it. After a restart of the broker
/// it speaks for a worker whose user's code computes, and that says hello itself when that is done.
void BrokerCore::HelloPulse(PeerId peer, const HelloMsg& hello) {
  Worker* worker = FindSession(hello.worker, hello.session);
  if (worker == nullptr) {
    return turn_.Refuse(peer, ErrorCode::kUnknownWorker,
                        fmt::format("hello.worker is {}: no worker with this session is known",
                                    hello.worker.value));
  }
  if (!durable_.PromisesKept()) return durable_.HearLater(peer, hello);
  Peer pulse;
  pulse.role = Role::kPulse;
  pulse.pulse_of = worker->id;
  pulse.session = worker->session;
  peers_[peer] = std::move(pulse);
  if (worker->recovering && !hello.held.empty()) {
    TakeUp(*worker, hello.held);
    Reported(*worker);
  }
  WelcomeMsg welcome;
  welcome.broker = "bellis " BELLIS_VERSION;
  welcome.worker = worker->id;
  welcome.lease_ms = static_cast<uint32_t>(options_.lease.millis());
  welcome.heartbeat_ms = std::min(worker->heartbeat_ms, welcome.lease_ms / 4);
  turn_.Send(peer, std::move(welcome));
}

void BrokerCore::OnPing(PeerId peer, const PingMsg& ping) {
  const Peer& known = peers_.at(peer);
  Worker* worker = known.role == Role::kPulse ? Find(known.pulse_of) : known.worker;
  // Another process may have taken its worker's place; its own is to end itself.
  if (known.role == Role::kPulse && (worker == nullptr || worker->session != known.session)) {
    return turn_.Refuse(peer, ErrorCode::kUnknownWorker,
                        "the worker that this pulse pings for is over");
  }
  // One whose block is to be taken away is not answered, so that it ends itself in time.
  if (worker != nullptr && !worker->loss_reason.empty() && !PlaceOf(*worker).launched) return;
  if (worker != nullptr) RenewLease(*worker);
  turn_.Send(peer, PongMsg{ping.nonce});
}

/// A worker that an earlier broker knew has said what it holds, or is over.
void BrokerCore::Reported(Worker& worker) {
  if (!std::exchange(worker.recovering, false)) return;
  TaskRun& task = worker.job->tasks[worker.task];
  if (--task.recovering == 0) SettleClaims(*worker.job, worker.task);
  worker.job->Touch(worker.task);
  jobs_.Queue(*worker.job);
}

/// Its session is on record: it may hold blocks.
void BrokerCore::MayHaveBlocks(Worker& worker) {
  worker.recorded = true;
  if (worker.want > 0) Park(worker);
}

/// All have said what they hold: what was handed in meanwhile counts.
void BrokerCore::SettleClaims(Job& job, TaskIndex t) {
  for (const auto& [block, claim] : std::exchange(job.tasks[t].claims, {})) {
    if (claim.result && job.running() && !job.tasks[t].closed) Settle(job, t, claim);
  }
}

/// A worker of an earlier broker says that it holds a block, or has a result for it.
bool BrokerCore::ClaimBlock(Worker& worker, const HeldLease& held) {
  Job& job = *worker.job;
  TaskRun& task = job.tasks[worker.task];
  if (!held.lease.set() || held.lease > durable_.last_lease()) return false;
  const auto tried = task.attempts.find(held.index);
  if (tried != task.attempts.end() && held.attempt <= tried->second.failed) return false;
  const auto before = task.claims.find(held.index);
  const bool out = before != task.claims.end() && IsOut(before->second);
  if (out && before->second.lease.id.value >= held.lease.value) return false;
  if (out) {
    DropClaim(before->second);
  } else if (!MakeWay(job, worker.task, held) || !job.frontier->Claim({worker.task, held.index})) {
    return false;
  }
  const Lease lease{held.lease, held.index, std::max(1u, held.attempt), turn_.now()};
  task.claims[held.index] = {worker.id, worker.session, 0, lease, 0, std::nullopt};
  worker.held.push_back(lease);
  NoteUse(worker);
  if (worker.held.size() == 1) StartBlock(worker);
  return true;
}

/// A later lease of a block that excludes others was given when theirs were over, so they are,
/// though their workers have handed in results. False: a later one than this excludes it.
bool BrokerCore::MakeWay(Job& job, TaskIndex t, const HeldLease& held) {
  auto& claims = job.tasks[t].claims;
  if (held.index >= job.counts(t).blocks) return false;
  while (const auto excluded = job.frontier->LeaseInTheWay({t, held.index})) {
    const auto other = claims.find(*excluded);
    if (other == claims.end() || other->second.lease.id.value >= held.lease.value) return false;
    DropClaim(other->second);
    claims.erase(other);
    job.frontier->Requeue({t, *excluded});
  }
  return true;
}

bool BrokerCore::IsOut(const Claim& claim) const {
  if (claim.result) return true;
  const auto worker = workers_.find(claim.worker);
  if (worker == workers_.end()) return false;
  const auto& held = worker->second.held;
  return std::any_of(held.begin(), held.end(),
                     [&](const Lease& lease) { return lease.id == claim.lease.id; });
}

/// A later lease of the same block turns up. Its worker does not work on it: the later one was
/// given when this one was over.
void BrokerCore::DropClaim(const Claim& claim) {
  Worker* worker = Find(claim.worker);
  if (worker == nullptr) return;
  if (claim.result && worker->session == claim.session) {
    return Acknowledge(*worker, claim.lease.id, /*dropped=*/true);
  }
  const bool first = !worker->held.empty() && worker->held.front().id == claim.lease.id;
  std::erase_if(worker->held, [&](const Lease& lease) { return lease.id == claim.lease.id; });
  NoteUse(*worker);
  if (first) StartBlock(*worker);
}

/// Of what a worker says it holds, after its connection broke, what is still its.
std::vector<LeaseId> BrokerCore::TakeUp(Worker& worker, const std::vector<HeldLease>& said) {
  Job& job = *worker.job;
  if (worker.recovering && worker.duty == Duty::kWork && job.running() &&
      !job.tasks[worker.task].closed) {
    for (const HeldLease& held : said) {
      if (ClaimBlock(worker, held)) continue;
      turn_.Log(LogLevel::kInfo,
                fmt::format("worker {} holds lease {} of block index {}, which it has no more",
                            worker.id.value, held.lease.value, held.index));
    }
  }
  const auto listed = [&said](LeaseId id) {
    return std::any_of(said.begin(), said.end(),
                       [id](const HeldLease& held) { return held.lease == id; });
  };
  // What it does not list was on its way to it when the connection broke.
  std::deque<Lease> kept;
  const bool first_lost = !worker.held.empty() && !listed(worker.held.front().id);
  for (const Lease& lease : std::exchange(worker.held, {})) {
    if (listed(lease.id)) {
      kept.push_back(lease);
    } else {
      worker.held.clear();
      GiveBack(worker, lease);
    }
  }
  worker.held = std::move(kept);
  NoteUse(worker);
  if (first_lost) StartBlock(worker);
  std::vector<LeaseId> still;
  for (const Lease& lease : worker.held) still.push_back(lease.id);
  return still;
}

WelcomeMsg BrokerCore::WelcomeFor(const Worker& worker) const {
  WelcomeMsg welcome;
  welcome.broker = "bellis " BELLIS_VERSION;
  welcome.job = worker.job->id;
  welcome.task = worker.job->spec.tasks[worker.task].task_id;
  welcome.worker = worker.id;
  welcome.duty = worker.duty;
  welcome.slot = worker.slot;
  if (worker.heartbeat_ms > 0) {
    welcome.lease_ms = static_cast<uint32_t>(options_.lease.millis());
    welcome.heartbeat_ms = worker.heartbeat_ms;
  }
  welcome.durable = options_.durable;
  return welcome;
}

/// What a broker after this one is to know of it.
Session BrokerCore::SessionOf(const Worker& worker) const {
  const Launcher* launcher = worker.launched ? &launchers_.at(worker.launcher) : nullptr;
  Session session{
      worker.id,
      worker.session,
      worker.job->number,
      worker.task,
      worker.duty,
      static_cast<uint32_t>(worker.group),
      worker.heartbeat_ms,
      worker.lease_ms,
      worker.language,
      worker.process,
      worker.launched,
      launcher ? ProcessRef{launcher->host, launcher->machine, launcher->pid} : ProcessRef{},
      worker.replaced};
  session.starter = worker.starter;
  session.vacant = worker.vacant;
  session.slot = worker.slot;
  return session;
}

}  // namespace bellis
