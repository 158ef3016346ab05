#include "broker/core/broker_core.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/core/overload.h"
#include "broker/core/roles.h"

namespace bellis {
BrokerCore::BrokerCore(CoreOptions options)
    : options_(std::move(options)),
      turn_(options_),
      durable_(options_, &turn_),
      budget_(options_.resources) {}
BrokerCore::~BrokerCore() = default;

void BrokerCore::Step(Instant now, Event event, Effects* effects) {
  const Duration still = turn_.Begin(now, effects);
  if (still.ns > 0) BrokerStoodStill(still);
  Hear(std::move(event));
  Timer timer;
  while (turn_.PopDue(&timer)) OnTimer(timer);
  Settle();
  if (!stopping_) durable_.SetIdsAside();
  effects->commit_now = durable_.CommitNow();
  effects->finished = stopping_ && launchers_.empty();
  if (jobs_.has_work()) turn_.NoteMoreWork();
  if (!workers_.empty()) turn_.NoteLeasesRun();
  turn_.End();
}

void BrokerCore::Hear(Event event) {
  std::visit(Overload{[this](Received& received) {
                        OnMessage(received.peer, std::move(received.message));
                      },
                      [this](const PeerGone& gone) { OnPeerGone(gone); },
                      [](const TimePassed&) {},  // timers and follow-up work come after every event
                      [this](const ShutDown& shut_down) { OnShutDown(shut_down.reason); },
                      [this](const Committed& committed) { OnCommitted(committed); },
                      [this](const StoreTrouble& trouble) { OnStoreTrouble(trouble); },
                      [this](TakeOver& taken) { OnTakeOver(std::move(taken)); },
                      [this](Loaded& loaded) { OnLoaded(std::move(loaded)); },
                      [this](const ProcessGone& gone) { OnProcessGone(gone); },
                      [this](Built& built) { OnBuilt(std::move(built)); }},
             event);
}

void BrokerCore::BrokerStoodStill(Duration still) {
  turn_.Log(LogLevel::kWarning,
            fmt::format("the broker stood still for {:.1f} s", still.seconds()));
  if (still.ns >= options_.lease.ns / 4) ExcuseWorkers();
}

/// Workers were not answered, or there was no broker: those that end themselves for that, or do not
/// come back, have done nothing wrong.
void BrokerCore::ExcuseWorkers() {
  excused_from_ = turn_.now();
  excused_ = durable_.last_worker();
}

std::vector<JobStatus> BrokerCore::Jobs(Instant now) const {
  std::vector<JobStatus> all;
  for (const auto& [number, job] : jobs_)
    all.push_back(StatusOf(*job, turn_.clock().FromMachine(now)));
  return all;
}

std::string BrokerCore::JobOfWorker(WorkerId worker) const {
  const auto found = workers_.find(worker);
  return found == workers_.end() ? "" : found->second.job->id;
}

size_t BrokerCore::schedule_bytes() const {
  size_t bytes = 0;
  for (const auto& [number, job] : jobs_) {
    if (job->frontier) bytes += job->frontier->bytes();
  }
  return bytes;
}

void BrokerCore::OnMessage(PeerId peer, Message message) {
  if (const auto* hello = std::get_if<HelloMsg>(&message)) return OnHello(peer, *hello);
  const auto found = peers_.find(peer);
  if (found == peers_.end()) {
    return turn_.Refuse(peer, ErrorCode::kHelloFirst, "say hello before anything else");
  }
  const Peer& known = found->second;
  if (const auto* bye = std::get_if<ByeMsg>(&message)) return OnBye(peer, *bye);
  const bool superseded = known.role == Role::kWorker && known.worker == nullptr;
  if (superseded) {
    return turn_.Refuse(peer, ErrorCode::kUnknownWorker,
                        "this worker connected anew, or was given up");
  }
  if (const auto* ping = std::get_if<PingMsg>(&message)) return OnPing(peer, *ping);
  switch (known.role) {
    case Role::kWorker: return FromWorker(*known.worker, message);
    case Role::kClient: return FromClient(peer, message);
    case Role::kLauncher: return FromLauncher(peer, message);
    case Role::kPulse: return RefuseRole(peer, known.role, message);  // it only pings
  }
}

/// All that a worker may send once it is known.
void BrokerCore::FromWorker(Worker& worker, Message& message) {
  std::visit(
      Overload{[&](const ReleaseMsg& release) {
    OnRelease(worker, release); },
               [&](const AcquireMsg& acquire) {
    AddWant(worker, acquire.want); },
               [](const AnybodySends auto&) {},  // was taken care of before
               [&]<typename M>(const M&) requires ClientSends<M> || LauncherSends<M> ||
                   BrokerSends<M> { RefuseRole(worker.peer, Role::kWorker, message);
}
}  // namespace bellis
,
      message);
}

/// All that a client may send once it is known.
void BrokerCore::FromClient(PeerId peer, Message& message) {
  std::visit(
      Overload{[&](SubmitMsg& submit) {
    OnSubmit(peer, std::move(submit)); },
               [&](const StatusMsg& status) {
    OnStatus(peer, status); },
               [&](const CancelMsg& cancel) {
    OnCancel(peer, cancel); },
               [&](const WatchMsg& watch) {
    OnWatch(peer, watch); },
               [&](const RetryFailedMsg& retry) {
    OnRetryFailed(peer, retry); },
               [&](const PauseMsg& pause) {
    OnPause(peer, pause); },
               [&](const ResumeMsg& resume) {
    OnResume(peer, resume); },
               [&](const SetWorkersMsg& set) {
    OnSetWorkers(peer, set); },
               [&](const WorkerGoneMsg& gone) {
    OnWorkerGone(peer, gone); },
               [&](const ExplainMsg& explain) {
    OnExplain(peer, explain); },
               [](const AnybodySends auto&) {},  // was taken care of before
               [&]<typename M>(const M&) requires WorkerSends<M> || LauncherSends<M> ||
                   BrokerSends<M> { RefuseRole(peer, Role::kClient, message);
}
},
      message);
}

/// All that a launcher may send once it is known.
void BrokerCore::FromLauncher(PeerId peer, Message& message) {
  std::visit(
      Overload{[&](const LaunchedMsg& launched) {
    OnLaunched(peer, launched); },
               [&](const ExitedMsg& exited) {
    OnExited(peer, exited); },
               [](const AnybodySends auto&) {},  // was taken care of before
               [&]<typename M>(const M&) requires WorkerSends<M> || ClientSends<M> ||
                   BrokerSends<M> { RefuseRole(peer, Role::kLauncher, message);
}
},
      message);
}

void BrokerCore::RefuseRole(PeerId peer, Role role, const Message& message) {
  turn_.Refuse(peer, ErrorCode::kWrongRole,
               fmt::format("a {} may not send \"{}\"", RoleName(role), KindName(message)));
}

void BrokerCore::OnPeerGone(const PeerGone& gone) {
  ReturnUndelivered(gone);
  durable_.ForgetHello(gone.peer);
  turn_.out().forget.push_back(gone.peer);  // its id means nothing any more, whether it was known
  EndPeer(gone.peer, PeerEnd::kLost, "worker lost: its connection is gone");
}

/// Whatever the peer was, it is that no more; `reason` is what its unfinished block is told.
void BrokerCore::EndPeer(PeerId peer, PeerEnd end, const std::string& reason) {
  const auto known = peers_.find(peer);
  if (known == peers_.end()) return;
  const Peer gone = known->second;
  peers_.erase(known);
  watches_.EndOfPeer(peer);
  if (gone.launcher.set()) LauncherGone(gone.launcher, end);
  if (gone.worker == nullptr) return;
  Worker& worker = *gone.worker;
  if (end == PeerEnd::kLost && KeepsLeases(worker)) return Detach(worker);
  Disconnect(worker);
  PlaceOf(worker).left_holding |= !worker.held.empty();
  // A process that was told to stop still runs: its block is free when the launcher reports its
  // exit, not before.
  if (worker.loss_reason.empty()) LeasesOver(worker, reason);
  // The launcher reports the exit of a worker that it started; the worker's process may also open
  // another connection. For every other worker this was the end, but for a connection that is to be
  // stopped with its starter.
  const bool is_stopped = PlaceOf(worker).launched && !worker.loss_reason.empty();
  if (!worker.launched && !is_stopped) return Remove(worker.id);
  if (worker.held.empty()) IsVacant(worker);
}

void BrokerCore::OnTimer(const Timer& timer) {
  switch (timer.kind) {
    case TimerKind::kBlockTimeout: {
      Worker* worker = Find(WorkerId(timer.subject));
      if (worker == nullptr) return;
      worker->timeout_armed = false;
      if (worker->held.empty()) return;
      if (worker->block_deadline > turn_.now()) {
        worker->timeout_armed = true;
        turn_.Wake({worker->block_deadline, TimerKind::kBlockTimeout, timer.subject});
        return;
      }
      return BlockTimedOut(*worker);
    }
    case TimerKind::kStopWorker: {
      Worker* worker = Find(WorkerId(timer.subject));
      if (worker != nullptr) StopIfIdle(*worker);
      return;
    }
    case TimerKind::kHello: {
      Worker* worker = Find(WorkerId(timer.subject));
      if (worker != nullptr && worker->starting) HelloOverdue(*worker);
      return;
    }
    case TimerKind::kLease: {
      Worker* worker = Find(WorkerId(timer.subject));
      if (worker != nullptr && !Mutated(Mutation::kLeaseForEver)) LeaseDue(*worker);
      return;
    }
    case TimerKind::kProbe: {
      Worker* worker = Find(WorkerId(timer.subject));
      if (worker != nullptr) ProbeDue(*worker);
      return;
    }
    case TimerKind::kReconnect: return ReconnectWindowOver();
    case TimerKind::kLauncherAway: return LauncherAwayTooLong(LauncherId(timer.subject));
    case TimerKind::kLauncherProbe: return ProbeLauncher(LauncherId(timer.subject));
    case TimerKind::kTask: {
      Job* job = jobs_.Find(JobNumber(timer.subject));
      if (job != nullptr && job->running()) jobs_.Touch(*job, timer.detail);
      return;
    }
    case TimerKind::kWatch: return WatchDue(timer.subject);
  }
}

void BrokerCore::OnShutDown(const std::string& reason) {
  stopping_ = true;
  for (auto& [number, job] : jobs_) {
    if (!job->running()) continue;
    EndJob(*job, JobState::kCancelled,
           options_.durable ? reason +
                                  "; it goes on when it is submitted again, or when a broker "
                                  "is started with this state directory"
                            : reason);
  }
  for (const LauncherId id : LaunchersHere()) turn_.Send(launchers_[id].peer, LeaveMsg{reason});
  durable_.CloseIds();
}

/// Brings everything that the event touched to rest: hands out blocks, starts workers, closes
/// tasks and jobs, and does a bounded part of the follow-up work.
void BrokerCore::Settle() {
  jobs_.Work();
  while (Job* job = jobs_.NextTouched()) SettleJob(*job);
}

void BrokerCore::SettleJob(Job& job) {
  while (job.running()) {
    for (const TaskIndex t : job.frontier->touched()) job.Touch(t);
    job.frontier->ClearTouched();
    if (job.touched.empty()) break;
    ++job.version;
    const std::vector<TaskIndex> tasks = std::exchange(job.touched, {});
    for (const TaskIndex t : tasks) {
      job.tasks[t].touched = false;
      if (job.running()) SettleTask(job, t);
    }
  }
  jobs_.NoteWork(job);
}

void BrokerCore::SettleTask(Job& job, TaskIndex task) {
  if (job.frontier->Done(task)) {
    CloseTask(job, task);
    // In a serial job it is another task's turn now, and nothing else may call for it.
    if (!job.spec.serial || !job.running()) return;
  }
  if (OutgrewItsMemory(job, task)) return;
  if (GiveUpForFailures(job, task) || GiveUpIfStuck(job, task)) return;
  if (job.spec.serial) {
    SettleSerial(job);
    if (job.running()) ReleaseIdle(job, task);
    return;
  }
  if (GiveUpWithoutLauncher(job, task, /*its_turn=*/true)) return;
  Dispatch(job, task);
  ReleaseIdle(job, task);
  LaunchWorkers(job, task);
}

/// While a block is out, nothing but its post_check; then the first task in list order that has
/// one.
void BrokerCore::SettleSerial(Job& job) {
  const bool out = job.leased() > 0;
  std::optional<TaskIndex> turn;
  for (TaskIndex t = 0; t < job.tasks.size(); ++t) {
    const bool its_turn = !out && !turn && job.counts(t).ready > 0;
    if (its_turn) turn = t;
    if ((its_turn && GiveUpIfStuck(job, t)) || GiveUpWithoutLauncher(job, t, its_turn)) return;
  }
  if (turn) {
    Dispatch(job, *turn);
    LaunchWorkers(job, *turn);
    return;
  }
  for (TaskIndex t = 0; t < job.tasks.size(); ++t) {
    if (job.counts(t).leased > 0) ConfirmSerial(job, t);
    // Nothing goes on before the block is on disk.
    if (!job.tasks[t].uncommitted.empty()) turn_.NoteStarving();
  }
}

}  // namespace bellis
