#include "broker/core/engine.h"

#include <fmt/format.h>

#include <utility>

#include "broker/core/overload.h"
#include "broker/core/roles.h"
#include "broker/schedule/mutation.h"

namespace bellis {

Engine::Engine(CoreOptions options) : options_(std::move(options)) {}

void Engine::Step(Instant now, Event& event, Effects* effects) {
  const Duration still = turn_.Begin(now, effects);
  if (still.ns > 0) {
    turn_.Log(LogLevel::kWarning,
              fmt::format("the broker stood still for {:.1f} s", still.seconds()));
    if (still.ns >= options_.lease.ns / 4) roster_.ExcuseAll();
  }
  Hear(event);
  Timer timer;
  while (turn_.PopDue(&timer)) OnTimer(timer);
  Settle();
  if (!turn_.stopping()) durable_.SetIdsAside();
  effects->commit_now = durable_.CommitNow();
  effects->finished = turn_.stopping() && launchers_.empty();
  if (jobs_.has_work()) turn_.NoteMoreWork();
  if (!roster_.empty()) turn_.NoteLeasesRun();
  turn_.End();
}

void Engine::Hear(Event& event) {
  std::visit(Overload{[this](Received& received) { OnMessage(received.peer, received.message); },
                      [this](const PeerGone& gone) { OnPeerGone(gone); },
                      [](const TimePassed&) {},  // timers and follow-up work come after every event
                      [this](const ShutDown& shut_down) { OnShutDown(shut_down.reason); },
                      [this](const Committed& committed) { OnCommitted(committed); },
                      [this](const StoreTrouble& trouble) {
                        if (durable_.TakeTrouble(trouble)) jobs_.TouchAll();
                      },
                      [this](TakeOver& taken) { recovery_.OnTakeOver(std::move(taken)); },
                      [this](Loaded& loaded) { submissions_.OnLoaded(std::move(loaded)); },
                      [this](const ProcessGone& gone) { losses_.OnProcessGone(gone); },
                      [this](Built& built) { submissions_.OnBuilt(std::move(built)); }},
             event);
}

// ---- messages ----

void Engine::OnMessage(PeerId peer, Message& message) {
  if (const auto* hello = std::get_if<HelloMsg>(&message)) return greeting_.OnHello(peer, *hello);
  const Peer* known = peers_.Find(peer);
  if (known == nullptr) {
    return turn_.Refuse(peer, ErrorCode::kHelloFirst, "say hello before anything else");
  }
  if (const auto* bye = std::get_if<ByeMsg>(&message)) return OnBye(peer, *bye);
  const bool superseded = known->role == Role::kWorker && known->worker == nullptr;
  if (superseded) {
    return turn_.Refuse(peer, ErrorCode::kUnknownWorker,
                        "this worker has another connection by now, or was given up");
  }
  if (const auto* ping = std::get_if<PingMsg>(&message)) return greeting_.OnPing(peer, *ping);
  switch (known->role) {
    case Role::kWorker: return FromWorker(*known->worker, message);
    case Role::kClient: return FromClient(peer, message);
    case Role::kLauncher: return FromLauncher(peer, message);
    case Role::kPulse: return RefuseRole(peer, known->role, message);  // it only pings
  }
}

/// Every message that a worker may send after its hello.
void Engine::FromWorker(Worker& worker, Message& message) {
  std::visit(Overload{[&](const ReleaseMsg& release) { OnRelease(worker, release); },
                      [&](const AcquireMsg& acquire) { dispatcher_.AddWant(worker, acquire.want); },
                      [](const AnybodySends auto&) {},  // OnMessage has seen to it
                      [&](const NotFromWorkers auto&) {
                        RefuseRole(worker.peer, Role::kWorker, message);
                      }},
             message);
}

void Engine::OnRelease(Worker& worker, const ReleaseMsg& release) {
  uint64_t in_runs = 0;
  for (const LeaseRun& run : release.runs) in_runs += run.count;
  if (in_runs > kWantMax) {
    return turn_.Refuse(
        worker.peer, ErrorCode::kLimit,
        fmt::format("release.runs has {} leases; at most {} together", in_runs, kWantMax));
  }
  for (const BlockResult& result : release.results) results_.TakeResult(worker, result);
  for (const LeaseRun& run : release.runs) results_.TakeRun(worker, run);
  if (release.want > 0) dispatcher_.AddWant(worker, release.want);
}

/// Every message that a client may send after its hello.
void Engine::FromClient(PeerId peer, Message& message) {
  std::visit(
      Overload{[&](SubmitMsg& submit) { submissions_.OnSubmit(peer, std::move(submit)); },
               [&](const RetryFailedMsg& retry) { submissions_.OnRetryFailed(peer, retry); },
               [&](const StatusMsg& status) { clients_.OnStatus(peer, status); },
               [&](const CancelMsg& cancel) { clients_.OnCancel(peer, cancel); },
               [&](const WatchMsg& watch) { clients_.OnWatch(peer, watch); },
               [&](const PauseMsg& pause) { clients_.OnPause(peer, pause); },
               [&](const ResumeMsg& resume) { clients_.OnResume(peer, resume); },
               [&](const SetWorkersMsg& set) { clients_.OnSetWorkers(peer, set); },
               [&](const WorkerGoneMsg& gone) { losses_.OnWorkerGone(peer, gone); },
               [&](const ExplainMsg& explain) { explainer_.OnExplain(peer, explain); },
               [](const AnybodySends auto&) {},  // OnMessage has seen to it
               [&](const NotFromClients auto&) { RefuseRole(peer, Role::kClient, message); }},
      message);
}

/// Every message that a launcher may send after its hello.
void Engine::FromLauncher(PeerId peer, Message& message) {
  std::visit(
      Overload{[&](const LaunchedMsg& launched) { staffing_.OnLaunched(peer, launched); },
               [&](const ExitedMsg& exited) { exits_.OnExited(peer, exited); },
               [](const AnybodySends auto&) {},  // OnMessage has seen to it
               [&](const NotFromLaunchers auto&) { RefuseRole(peer, Role::kLauncher, message); }},
      message);
}

void Engine::RefuseRole(PeerId peer, Role role, const Message& message) {
  turn_.Refuse(peer, ErrorCode::kWrongRole,
               fmt::format("a {} may not send \"{}\"", RoleName(role), KindName(message)));
}

void Engine::OnBye(PeerId peer, const ByeMsg& bye) {
  const std::string reason = "worker left while it held the block";
  turn_.out().forget.push_back(peer);
  losses_.EndPeer(peer, PeerEnd::kBye, bye.reason.empty() ? reason : reason + ": " + bye.reason);
}

void Engine::OnPeerGone(const PeerGone& gone) {
  results_.ReturnUndelivered(gone);
  durable_.ForgetHello(gone.peer);
  turn_.out().forget.push_back(gone.peer);  // also a peer whose hello was refused
  losses_.EndPeer(gone.peer, PeerEnd::kLost, "worker lost: its connection is gone");
}

// ---- other events ----

void Engine::OnShutDown(const std::string& reason) {
  turn_.BeginStopping();
  std::vector<JobNumber> running;
  for (const auto& [number, job] : jobs_) {
    if (job->running()) running.push_back(number);
  }
  const std::string why = durable_.kept() ? reason +
                                                "; it goes on when it is submitted again, or when "
                                                "a broker is started with this state directory"
                                          : reason;
  for (const JobNumber number : running) {
    endings_.EndJob(*jobs_.Find(number), JobState::kCancelled, why);
  }
  for (const LauncherId id : launchers_.Here()) {
    turn_.Send(launchers_.At(id).peer, LeaveMsg{reason});
  }
  durable_.CloseIds();
}

void Engine::OnCommitted(const Committed& committed) {
  durable_.Commit(committed);
  while (std::optional<AfterCommit> next = durable_.Next()) Do(*std::move(next));
}

void Engine::Do(AfterCommit what) {
  std::visit(
      Overload{[this](const BlockIsDurable& done) { results_.Do(done); },
               [this](const RunIsDurable& done) { results_.Do(done); },
               [this](const FailureIsDurable& failed) { results_.Do(failed); },
               [this](const AttemptIsDurable& attempt) { results_.Do(attempt); },
               [this](const SessionIsDurable& session) { greeting_.Do(session); },
               [this](const HelloIsDurable& again) { greeting_.OnHello(again.from, *again.hello); },
               [this](AnswerIsDurable& answer) {
                 if (peers_.Has(answer.to)) {
                   turn_.Send(answer.to, std::move(*answer.message));
                 }
               },
               [this](const MarksAreDurable& marks) {
                 durable_.Take(marks);
                 jobs_.TouchAll();
               }},
      what);
}

// ---- timers ----

void Engine::OnTimer(const Timer& timer) {
  switch (timer.kind) {
    case TimerKind::kBlockTimeout:
    case TimerKind::kStopWorker:
    case TimerKind::kHello:
    case TimerKind::kLease:
    case TimerKind::kProbe: {
      Worker* worker = roster_.Find(WorkerId(timer.subject));
      if (worker != nullptr) OnWorkerTimer(timer, *worker);
      return;
    }
    case TimerKind::kReconnect: return recovery_.ReconnectWindowOver();
    case TimerKind::kLauncherAway: return launcher_links_.AwayTooLong(LauncherId(timer.subject));
    case TimerKind::kLauncherProbe: return launcher_links_.ProbeDue(LauncherId(timer.subject));
    case TimerKind::kTask: {
      Job* job = jobs_.Find(JobNumber(timer.subject));
      if (job != nullptr && job->running()) jobs_.Touch(*job, timer.detail);
      return;
    }
    case TimerKind::kWatch: return clients_.WatchDue(timer.subject);
  }
}

void Engine::OnWorkerTimer(const Timer& timer, Worker& worker) {
  switch (timer.kind) {
    case TimerKind::kBlockTimeout: return losses_.BlockTimeoutDue(worker);
    case TimerKind::kStopWorker: return losses_.StopIfIdle(worker);
    case TimerKind::kHello:
      if (worker.expected()) losses_.HelloOverdue(worker);
      return;
    case TimerKind::kLease:
      if (!Mutated(Mutation::kLeaseForEver)) losses_.LeaseDue(worker);
      return;
    case TimerKind::kProbe: return losses_.ProbeDue(worker);
    default: return;  // not a worker's timer
  }
}

}  // namespace bellis
