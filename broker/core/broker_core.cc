#include "broker/core/broker_core.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/check.h"

namespace bellis {
namespace {

/// A Step that comes later than this after its deadline shows that the broker stood still.
Duration StepLate(Duration lease) { return {std::min(Duration::Seconds(1).ns, lease.ns / 8)}; }

/// Which roles may send a message; hello, ping and bye are for all.
bool MaySend(Role role, const Message& message) {
  if (std::holds_alternative<AcquireMsg>(message) || std::holds_alternative<ReleaseMsg>(message)) {
    return role == Role::kWorker;
  }
  if (std::holds_alternative<SubmitMsg>(message) || std::holds_alternative<StatusMsg>(message) ||
      std::holds_alternative<CancelMsg>(message) || std::holds_alternative<WatchMsg>(message) ||
      std::holds_alternative<ExplainMsg>(message) || std::holds_alternative<PauseMsg>(message) ||
      std::holds_alternative<ResumeMsg>(message) ||
      std::holds_alternative<SetWorkersMsg>(message) ||
      std::holds_alternative<WorkerGoneMsg>(message) ||
      std::holds_alternative<RetryFailedMsg>(message)) {
    return role == Role::kClient;
  }
  if (std::holds_alternative<LaunchedMsg>(message) || std::holds_alternative<ExitedMsg>(message)) {
    return role == Role::kLauncher;
  }
  return false;  // a message that only the broker sends
}

}  // namespace

BrokerCore::BrokerCore(CoreOptions options) : options_(std::move(options)) {}
BrokerCore::~BrokerCore() = default;

void BrokerCore::Step(Instant now, Event event, Effects* effects) {
  BELLIS_CHECK(now >= told_, "time went back");
  effects->Clear();
  out_ = effects;
  TakeTime(now);
  ++step_;
  starving_ = false;
  if (auto* received = std::get_if<Received>(&event)) {
    OnMessage(received->peer, std::move(received->message));
  } else if (auto* gone = std::get_if<PeerGone>(&event)) {
    ReturnUndelivered(*gone);
    greeting_.erase(gone->peer);
    if (peers_.count(gone->peer) == 0) out_->forget.push_back(gone->peer);  // it was refused
    OnPeerGone(gone->peer, "worker lost: its connection is gone");
  } else if (auto* shut_down = std::get_if<ShutDown>(&event)) {
    OnShutDown(shut_down->reason);
  } else if (auto* committed = std::get_if<Committed>(&event)) {
    OnCommitted(*committed);
  } else if (auto* trouble = std::get_if<StoreTrouble>(&event)) {
    OnStoreTrouble(*trouble);
  } else if (auto* taken = std::get_if<TakeOver>(&event)) {
    OnTakeOver(std::move(*taken));
  } else if (auto* loaded = std::get_if<Loaded>(&event)) {
    OnLoaded(std::move(*loaded));
  } else if (auto* built = std::get_if<Built>(&event)) {
    OnBuilt(std::move(*built));
  } else if (auto* process_gone = std::get_if<ProcessGone>(&event)) {
    OnProcessGone(*process_gone);
  }
  Timer timer;
  while (timers_.PopDue(now_, &timer)) OnTimer(timer);
  Settle();
  if (!stopping_) SetIdsAside();
  // Blocks are committed in groups, unless somebody has nothing to do until they are.
  out_->commit_now =
      !waiting_.empty() && (starving_ || std::holds_alternative<Answer>(waiting_.back().second) ||
                            std::holds_alternative<SessionIsDurable>(waiting_.back().second) ||
                            std::holds_alternative<Marks>(waiting_.back().second));
  Instant next = timers_.next();
  // Where leases run, a time in which the broker stands still is to be noticed although no timer
  // is due in it.
  if (!workers_.empty()) next = std::min(next, now_ + Duration{options_.lease.ns / 8});
  out_->next_deadline = next == Instant::Never() ? next : next + stood_still_;
  out_->more_work = !working_jobs_.empty();
  due_ = out_->more_work ? told_ : out_->next_deadline;
  out_->finished = stopping_ && launchers_.empty();
}

/// A Step that comes late ends a time in which the broker stood still. Its own time goes on from
/// the Step before; soon after such a time only from when this one was due, so that it goes on at
/// all where every Step is late.
void BrokerCore::TakeTime(Instant now) {
  const Duration late = StepLate(options_.lease);
  if (due_ != Instant::Never() && now > due_ + late) {
    const bool again = now_ < went_on_at_ + late && went_on_at_ != Instant{};
    const Duration still = now - (again ? std::max(due_, told_) : told_);
    stood_still_ = stood_still_ + still;
    went_on_at_ = now - stood_still_;
    told_ = now;
    now_ = went_on_at_;
    Log(LogLevel::kWarning, fmt::format("the broker stood still for {:.1f} s", still.seconds()));
    if (still.ns >= options_.lease.ns / 4) ExcuseWorkers();
    return;
  }
  told_ = now;
  now_ = now - stood_still_;
}

/// Workers were not answered, or there was no broker: those that end themselves for that, or do not
/// come back, have done nothing wrong.
void BrokerCore::ExcuseWorkers() {
  excused_from_ = now_;
  excused_ = WorkerId(last_worker_);
}

std::vector<JobStatus> BrokerCore::Jobs(Instant now) const {
  std::vector<JobStatus> all;
  for (const auto& [number, job] : jobs_) all.push_back(StatusOf(*job, now - stood_still_));
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
  if (auto* hello = std::get_if<HelloMsg>(&message)) return OnHello(peer, *hello);
  const auto known = peers_.find(peer);
  if (known == peers_.end()) {
    return Refuse(peer, ErrorCode::kHelloFirst, "say hello before anything else");
  }
  const bool unowned = known->second.role == Role::kWorker && known->second.worker == nullptr;
  if (auto* ping = std::get_if<PingMsg>(&message); ping != nullptr && !unowned) {
    return OnPing(peer, *ping);
  }
  if (auto* bye = std::get_if<ByeMsg>(&message)) return OnBye(peer, *bye);
  if (unowned) {
    return Refuse(peer, ErrorCode::kUnknownWorker, "this worker connected anew, or was given up");
  }
  if (!MaySend(known->second.role, message)) {
    return Refuse(peer, ErrorCode::kWrongRole,
                  std::string("a ") + RoleName(known->second.role) + " may not send \"" +
                      KindName(message) + "\"");
  }
  if (known->second.role == Role::kWorker) {
    Worker* worker = known->second.worker;
    if (auto* release = std::get_if<ReleaseMsg>(&message)) return OnRelease(*worker, *release);
    return AddWant(*worker, std::get<AcquireMsg>(message).want);
  }
  if (auto* submit = std::get_if<SubmitMsg>(&message)) return OnSubmit(peer, std::move(*submit));
  if (auto* status = std::get_if<StatusMsg>(&message)) return OnStatus(peer, *status);
  if (auto* cancel = std::get_if<CancelMsg>(&message)) return OnCancel(peer, *cancel);
  if (auto* watch = std::get_if<WatchMsg>(&message)) return OnWatch(peer, *watch);
  if (auto* retry = std::get_if<RetryFailedMsg>(&message)) return OnRetryFailed(peer, *retry);
  if (auto* pause = std::get_if<PauseMsg>(&message)) return OnPause(peer, *pause, true);
  if (auto* resume = std::get_if<ResumeMsg>(&message)) {
    return OnPause(peer, {resume->req, resume->job, resume->task}, false);
  }
  if (auto* set = std::get_if<SetWorkersMsg>(&message)) return OnSetWorkers(peer, *set);
  if (auto* gone = std::get_if<WorkerGoneMsg>(&message)) return OnWorkerGone(peer, *gone);
  if (auto* explain = std::get_if<ExplainMsg>(&message)) return OnExplain(peer, *explain);
  if (auto* launched = std::get_if<LaunchedMsg>(&message)) return OnLaunched(peer, *launched);
  if (auto* exited = std::get_if<ExitedMsg>(&message)) return OnExited(peer, *exited);
}

/// Whatever the peer was, it is no more; `reason` is what its unfinished block is told.
void BrokerCore::OnPeerGone(PeerId peer, const std::string& reason, bool said_bye) {
  const auto known = peers_.find(peer);
  if (known == peers_.end()) return;
  const Peer gone = std::move(known->second);
  peers_.erase(known);
  out_->forget.push_back(peer);
  for (const uint64_t id : gone.watches) {
    watches_[id].job->watches.erase(id);
    watches_.erase(id);
  }
  if (gone.launcher.set()) LauncherGone(gone.launcher, said_bye);
  if (gone.worker == nullptr) return;
  Worker& worker = *gone.worker;
  if (!said_bye && KeepsLeases(worker)) return Detach(worker);
  Disconnect(worker);
  PlaceOf(worker).left_holding |= !worker.held.empty();
  // A process that was told to stop still runs: its block is free when the launcher reports its
  // exit, not before.
  if (worker.loss_reason.empty()) LeasesOver(worker, reason);
  // Of one of ours the launcher reports the exit; its process may also open another connection.
  // This was the end of every other, but for one that is to be stopped with its starter.
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
      if (worker->block_deadline > now_) {
        worker->timeout_armed = true;
        timers_.Add({worker->block_deadline, TimerKind::kBlockTimeout, timer.subject});
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
      const auto job = jobs_.find(JobNumber(timer.subject));
      if (job == jobs_.end() || !job->second->running()) return;
      job->second->Touch(timer.detail);
      return Queue(*job->second);
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
  for (const LauncherId id : LaunchersHere()) SendTo(launchers_[id].peer, LeaveMsg{reason});
  marks_asked_ = {last_lease_ + 1, last_worker_ + 1};  // no more are given
  Persist(marks_asked_);
}

void BrokerCore::Queue(Job& job) {
  if (std::exchange(job.queued, true)) return;
  touched_jobs_.push_back(&job);
}

/// Brings everything that the event touched to rest: hands out blocks, starts workers, closes
/// tasks and jobs, and does a bounded part of the follow-up work.
void BrokerCore::Settle() {
  for (size_t i = 0; i < working_jobs_.size();) {
    Job& job = *working_jobs_[i];
    if (!job.running() || !job.frontier->Work(Frontier::kInlineWork)) {
      job.working = false;
      working_jobs_.erase(working_jobs_.begin() + static_cast<ptrdiff_t>(i));
    } else {
      ++i;
    }
    if (job.running()) Queue(job);
  }
  for (size_t j = 0; j < touched_jobs_.size(); ++j) {
    Job& job = *touched_jobs_[j];
    job.queued = false;
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
    if (job.running() && job.frontier->has_work() && !std::exchange(job.working, true)) {
      working_jobs_.push_back(&job);
    }
  }
  touched_jobs_.clear();
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
    starving_ |= !job.tasks[t].uncommitted.empty();  // nothing goes on before it is on disk
  }
}

void BrokerCore::SendTo(PeerId peer, Message message) {
  out_->sends.push_back({peer, std::move(message)});
}

void BrokerCore::Refuse(PeerId peer, ErrorCode code, std::string text, uint64_t req) {
  // Whoever waits for the answer to a request shows it; of the rest somebody should hear here.
  if (std::optional<std::string> line = refusals_.Line(now_, text)) {
    Log(req != 0 ? LogLevel::kInfo : LogLevel::kWarning, *std::move(line));
  }
  SendTo(peer, ErrorMsg{code, std::move(text), req});
}

void BrokerCore::Log(LogLevel level, std::string text) {
  out_->log.push_back({level, std::move(text)});
}

}  // namespace bellis
