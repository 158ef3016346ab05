#include "broker/core/losses.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/core/requests.h"
#include "broker/schedule/mutation.h"

namespace bellis {
namespace {

/// How long the broker waits for the launcher's report after it has seen that a launched process is
/// gone.
constexpr Duration kExitReportWait = Duration::Seconds(2);
constexpr char kProcessGone[] = "worker lost: its process is gone";

}  // namespace

void Losses::EndPeer(PeerId peer, PeerEnd end, const std::string& reason) {
  const Peer* known = peers_.Find(peer);
  if (known == nullptr) return;
  const Peer gone = *known;
  peers_.Erase(peer);
  watches_.EndOfPeer(peer);
  if (gone.launcher.set()) launcher_links_.End(gone.launcher, end);
  if (gone.worker == nullptr) return;
  Worker& worker = *gone.worker;
  if (end == PeerEnd::kLost && KeepsLeases(worker)) return AwaitReturn(worker);
  roster_.Disconnect(worker);
  roster_.PlaceOf(worker).left_holding |= !worker.held.empty();
  // A process that was told to stop may still run: its block is not free before the launcher
  // reports its exit.
  if (worker.loss_reason.empty()) lost_leases_.End(worker, reason);
  // A launched worker stays in the table: its launcher will report its exit, and its process may
  // open another connection. So does a further connection that is being stopped with its place.
  // Every other worker ends here.
  const bool is_stopped = roster_.PlaceOf(worker).launched() && !worker.loss_reason.empty();
  if (!worker.launched() && !is_stopped) return exits_.Remove(worker);
  if (worker.held.empty()) roster_.Vacate(worker);
}

void Losses::LeaseDue(Worker& worker) {
  worker.timer_set.lease = false;
  if (worker.lease_until == Instant::Never()) return;
  if (worker.lease_until > turn_.now()) {
    worker.timer_set.lease = true;
    turn_.Wake({worker.lease_until, TimerKind::kLease, worker.id.value});
    return;
  }
  WorkerLost(worker, worker.heartbeat_ms > 0 ? fmt::format("worker lost: not heard of for {:g} s",
                                                           options_.lease.seconds())
                                             : "worker lost: it did not come back to this broker");
}

/// No process works on the worker's blocks any more.
void Losses::WorkerLost(Worker& worker, const std::string& reason) {
  turn_.Log(LogLevel::kWarning, fmt::format("worker {} of task {}: {}", worker.id.value,
                                            worker.job->spec.tasks[worker.task].task_id, reason));
  if (worker.peer.set()) {
    peers_.Unbind(worker.peer);
    roster_.Disconnect(worker);
  }
  claims_.EndRecovering(worker);
  lost_leases_.End(worker, reason, roster_.FaultOf(worker));
  if (!worker.launched()) return exits_.Remove(worker);
  if (!worker.further.empty()) return roster_.Vacate(worker);  // the further connections go on
  worker.lease_until = Instant::Never();
  orders_.StopProcess(worker);
}

std::string MayBeAliveBecause(const Worker& worker, const Roster& roster,
                              const LauncherTable& launchers, const std::string& machine) {
  if (const Worker& place = roster.PlaceOf(worker); place.launched()) {
    const Launcher& launcher = launchers.At(place.launcher);
    return fmt::format(
        "its launcher ({}) {}", launcher.process.ToString(),
        launcher.here() ? "reports its end"
                        : "is away: it comes back, or is taken for lost, and its workers with it");
  }
  if (worker.peer.set()) return "it is connected";
  if (worker.heartbeat_ms > 0) return "it sends heartbeats: its leases end by themselves";
  if (worker.process.pid > 0 && !machine.empty() && worker.process.machine == machine) {
    return fmt::format("its process, pid {}, is there on the broker's machine", worker.process.pid);
  }
  return "";
}

/// A client states that a worker's process has ended.
void Losses::OnWorkerGone(PeerId peer, const WorkerGoneMsg& gone) {
  Worker* worker = roster_.Find(gone.worker);
  if (worker == nullptr) {
    return turn_.Refuse(
        peer, ErrorCode::kUnknownWorker,
        fmt::format("worker_gone.worker is {}: no such worker (any more)", gone.worker.value),
        gone.req);
  }
  if (const std::string alive = MayBeAliveBecause(*worker, roster_, launchers_, options_.machine);
      !alive.empty()) {
    return turn_.Refuse(peer, ErrorCode::kWorkerAlive,
                        fmt::format("worker_gone.worker is {}: {}", gone.worker.value, alive),
                        gone.req);
  }
  WorkerLost(*worker, "worker lost: a client said that its process has ended");
  AnswerWhenDurable(turn_, durable_, peers_, peer, OkMsg{gone.req});
}

/// The worker's connection is gone, but its process may still be running.
void Losses::AwaitReturn(Worker& worker) {
  roster_.Disconnect(worker);
  turn_.Log(LogLevel::kInfo,
            fmt::format("worker {} of task {} has lost its connection; it holds {} blocks",
                        worker.id.value, worker.job->spec.tasks[worker.task].task_id,
                        worker.held.size()));
  // A launched worker without a session can come back only if its process is known; it has the
  // reconnect window for that. If the process is not known, it is stopped.
  if (worker.session == 0 && roster_.PlaceOf(worker).launched()) {
    if (worker.process.machine.empty() || worker.process.pid <= 0) {
      orders_.StopProcess(roster_.PlaceOf(worker));
    } else {
      worker.away_since = turn_.now();
      turn_.Wake(
          {turn_.now() + options_.reconnect_window, TimerKind::kStopWorker, worker.id.value});
    }
  }
  roster_.ArmProbe(worker);
}

/// The process of a connection is gone. If the launcher had started another process, that one goes
/// on and nobody reports an exit.
void Losses::StartedProcessGone(Worker& worker) {
  const bool is_main = worker.launched_pid == 0 || worker.launched_pid == worker.process.pid;
  if (is_main) return;
  worker.gone_since = std::min(worker.gone_since, turn_.now());
  if (turn_.now() >= worker.gone_since + kExitReportWait) LoseProcess(worker, kProcessGone);
}

void Losses::ProbeDue(Worker& worker) {
  worker.timer_set.probe = false;
  if (!worker.peer.set() && !worker.vacant()) roster_.ArmProbe(worker);
}

void Losses::OnProcessGone(const ProcessGone& gone) {
  if (const auto* launcher = std::get_if<LauncherId>(&gone.subject)) {
    const Launcher* found = launchers_.Find(*launcher);
    if (found != nullptr && !found->here()) launcher_links_.Lose(*launcher);
    return;
  }
  Worker* worker = roster_.Find(std::get<WorkerId>(gone.subject));
  if (worker == nullptr || worker->peer.set() || worker->vacant()) return;
  if (gone.pid != worker->process.pid) return;  // a former process of this worker
  if (!worker->launched()) return WorkerLost(*worker, kProcessGone);
  // A connected launcher will report more: how the process ended, and that its children are gone,
  // too.
  if (launchers_.At(worker->launcher).here()) return StartedProcessGone(*worker);
  if (!worker->further.empty()) return LoseProcess(*worker, kProcessGone);
  orders_.AskForEnd(*worker);  // it may have ended with its launcher
  worker->orphaned = true;
  ExitedMsg exited;
  exited.worker = worker->id;
  exited.signal = 9;
  exits_.WorkerExited(*worker, exited);
}

/// The process of a place's own connection is gone, while further connections of the place may go
/// on.
void Losses::LoseProcess(Worker& worker, const std::string& reason) {
  lost_leases_.End(worker, reason);
  claims_.EndRecovering(worker);
  roster_.Vacate(worker);
}

/// The worker was told to leave and has not, or has been without a connection for too long.
void Losses::StopIfIdle(Worker& worker) {
  const Duration wait = worker.is_leaving() ? options_.leave_grace : options_.hello_wait;
  const bool idle =
      worker.vacant() && worker.further.empty() && turn_.now() >= worker.vacant_since + wait;
  const bool lost = worker.session == 0 && !worker.vacant() && !worker.peer.set() &&
                    turn_.now() >= worker.away_since + options_.reconnect_window;
  Worker& place = roster_.PlaceOf(worker);
  if (place.launched() && (worker.leaving == Leaving::kInTime || idle || lost))
    orders_.StopProcess(place);
}

void Losses::BlockTimeoutDue(Worker& worker) {
  worker.timer_set.block_timeout = false;
  if (worker.held.empty()) return;
  if (worker.block_deadline <= turn_.now()) return BlockTimedOut(worker);
  worker.timer_set.block_timeout = true;
  turn_.Wake({worker.block_deadline, TimerKind::kBlockTimeout, worker.id.value});
}

void Losses::BlockTimedOut(Worker& worker) {
  const std::string reason =
      fmt::format("timeout after {:g} s", worker.job->spec.tasks[worker.task].timeout.seconds());
  Worker& place = roster_.PlaceOf(worker);
  if (place.launched()) {
    // The block is not free before the process is surely gone.
    if (Mutated(Mutation::kFreedTooEarly)) {
      lost_leases_.ReturnLeases(worker, reason, LostLeases::FirstOf(worker), Fault::kItsOwn);
    }
    worker.loss_reason = reason;
    orders_.StopProcess(place);
    return;
  }
  orders_.Leave(worker, reason);
  // The pings of a worker with heartbeats are not answered any more, so its lease ends, and it ends
  // itself.
  worker.loss_reason = reason;
  if (worker.heartbeat_ms == 0) WorkerLost(worker, reason);
}

/// The process runs, but has said no hello: the broker stops waiting, so that the place is free.
void Losses::HelloOverdue(Worker& worker) {
  turn_.Log(
      LogLevel::kWarning,
      fmt::format("worker {} of task {} has not said hello for {:g} s: stopped", worker.id.value,
                  worker.job->spec.tasks[worker.task].task_id, options_.hello_wait.seconds()));
  worker.end_counts = EndCounts::kUnheard;
  orders_.StopProcess(worker);
}

}  // namespace bellis
