// Workers: hello, bye.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/core/broker_core.h"
#include "broker/core/mutation.h"
#include "common/check.h"

namespace bellis {
namespace {

/// A hello may be late by as long as a connection takes to break: so many processes do not follow
/// each other under one id meanwhile.
constexpr size_t kReplacedKept = 8;

}  // namespace

Worker* BrokerCore::Find(WorkerId id) {
  const auto it = workers_.find(id);
  return it == workers_.end() ? nullptr : &it->second;
}

Pool& BrokerCore::PoolOf(Worker& worker) {
  return worker.job->tasks[worker.task].pool(worker.duty);
}

void BrokerCore::OnHello(PeerId peer, const HelloMsg& hello) {
  const LauncherId launcher =
      hello.role == Role::kLauncher ? FindLauncher(peer, hello) : LauncherId();
  const auto known = peers_.find(peer);
  // A launcher may repeat itself, when the answer was long in coming; so may a worker.
  const bool itself =
      known != peers_.end() && ((launcher.set() && known->second.launcher == launcher) ||
                                (known->second.worker != nullptr && hello.session != 0 &&
                                 known->second.worker->session == hello.session &&
                                 known->second.worker->id == hello.worker));
  if (known != peers_.end() && !itself) {
    OnPeerGone(peer, "it said hello again");
    out_->forget.pop_back();  // the connection goes on
  }
  // One that was away is told to leave as the others were.
  if (stopping_ && !launcher.set())
    return Refuse(peer, ErrorCode::kShuttingDown, "the broker is about to stop");
  if (hello.role == Role::kWorker) return HelloWorker(peer, hello);
  if (hello.role == Role::kPulse) return HelloPulse(peer, hello);
  peers_[peer].role = hello.role;
  WelcomeMsg welcome;
  welcome.broker = "bellis " BELLIS_VERSION;
  SendTo(peer, std::move(welcome));
  if (hello.role == Role::kLauncher) HelloLauncher(peer, hello);
}

/// Which job and task a worker means; refuses its hello when that is none.
Job* BrokerCore::JobForWorker(PeerId peer, const HelloMsg& hello, TaskIndex* task) {
  Job* found = nullptr;
  if (!hello.job.empty()) {
    found = FindJob(hello.job);
    if (found == nullptr) {
      Refuse(peer, ErrorCode::kUnknownJob,
             fmt::format("hello.job is \"{}\": no such job", hello.job));
      return nullptr;
    }
  } else {
    for (auto& [number, job] : jobs_) {
      if (!job->running()) continue;
      if (found != nullptr) {
        Refuse(peer, ErrorCode::kUnknownJob, "hello.job is empty, and several jobs are running");
        return nullptr;
      }
      found = job.get();
    }
    if (found == nullptr) {
      Refuse(peer, ErrorCode::kUnknownJob, "hello.job is empty, and no job is running");
      return nullptr;
    }
  }
  const auto& tasks = found->spec.tasks;
  if (hello.task.empty() && tasks.size() == 1) {
    *task = 0;
    return found;
  }
  for (TaskIndex t = 0; t < tasks.size(); ++t) {
    if (tasks[t].task_id != hello.task) continue;
    *task = t;
    return found;
  }
  Refuse(peer, ErrorCode::kUnknownTask,
         hello.task.empty()
             ? fmt::format("hello.task is empty, and job {} has {} tasks", found->id, tasks.size())
             : fmt::format("hello.task is \"{}\": job {} has no such task", hello.task, found->id));
  return nullptr;
}

/// The table's entry for a hello: the launched process that it names, or a new outside worker.
Worker* BrokerCore::AdoptWorker(PeerId peer, const HelloMsg& hello, Job& job, TaskIndex task) {
  if (!hello.worker.set()) {
    Worker& worker = workers_[WorkerId(++last_worker_)];
    worker.id = WorkerId(last_worker_);
    worker.job = &job;
    worker.task = task;
    worker.duty = hello.duty;
    job.tasks[task].workers.insert(worker.id);
    ++PoolOf(worker).size;
    ++job.workers;
    return &worker;
  }
  Worker* worker = Find(hello.worker);
  if (worker == nullptr || worker->job != &job || worker->task != task) {
    Refuse(peer, ErrorCode::kUnknownWorker,
           fmt::format("hello.worker is {}: not a worker of task \"{}\" of job {}",
                       hello.worker.value, job.spec.tasks[task].task_id, job.id));
    return nullptr;
  }
  const bool came_back = hello.session != 0 && worker->session == hello.session;
  if (worker->peer.set()) {
    if (worker->peer != peer) peers_[worker->peer].worker = nullptr;
    Disconnect(*worker);
  }
  // Another process in its place: the one that was is over.
  if (!came_back && worker->loss_reason.empty())
    ReturnLeases(*worker, "worker lost: another process came in its place");
  if (!came_back && worker->session != 0) {
    if (worker->replaced.size() == kReplacedKept) worker->replaced.erase(worker->replaced.begin());
    worker->replaced.push_back(worker->session);
  }
  return worker;
}

/// A late hello of a process whose worker another one is by now. It is over, and knows or will know
/// by the answer; to take it for the next process would end the one that works.
bool BrokerCore::IsReplaced(const HelloMsg& hello) {
  const Worker* worker = Find(hello.worker);
  if (worker == nullptr || hello.session == 0) return false;
  if (Mutated(Mutation::kReplacedComesBack)) return false;
  return std::find(worker->replaced.begin(), worker->replaced.end(), hello.session) !=
         worker->replaced.end();
}

void BrokerCore::HelloWorker(PeerId peer, const HelloMsg& hello) {
  TaskIndex t = 0;
  Job* job = JobForWorker(peer, hello, &t);
  if (job == nullptr) return;
  const bool over = !job->running() || job->tasks[t].closed;
  if (over && !(hello.worker.set() && Find(hello.worker) != nullptr)) {
    return Refuse(
        peer, ErrorCode::kUnknownTask,
        fmt::format("task \"{}\" of job {} has ended", job->spec.tasks[t].task_id, job->id));
  }
  if (hello.duty != Duty::kWork && GroupsOf(job->spec.tasks[t], hello.duty).empty()) {
    return Refuse(
        peer, ErrorCode::kUnknownTask,
        fmt::format("hello.duty is \"{}\": task \"{}\" of job {} has no {}", DutyName(hello.duty),
                    job->spec.tasks[t].task_id, job->id, DutyName(hello.duty)));
  }
  if (hello.heartbeat_ms == 0 && !hello.worker.set() && hello.duty == Duty::kWork &&
      job->spec.tasks[t].read_write_conflict != Conflict::kNone &&
      job->spec.tasks[t].read_roi != job->spec.tasks[t].write_roi &&
      !job->spec.tasks[t].unsafe_leases) {
    return Refuse(peer, ErrorCode::kLimit,
                  fmt::format("hello.heartbeat_ms is 0: blocks of task \"{}\" conflict, and nobody "
                              "would know of the end of this worker; expected heartbeats, a "
                              "launcher, or unsafe_leases = true in the task",
                              job->spec.tasks[t].task_id));
  }
  if (!hello.worker.set() && !HasWorkerIds()) {
    if (store_problem_.empty()) {  // soon there will be
      SetIdsAside();
      return HearLater(peer, hello);
    }
    return Refuse(peer, ErrorCode::kStorage,
                  "no worker id is free until the state directory can be written");
  }
  if (IsReplaced(hello)) {
    return Refuse(peer, ErrorCode::kUnknownWorker,
                  fmt::format("hello.session is that of a former process of worker {}: another has "
                              "come in its place",
                              hello.worker.value));
  }
  if (const Worker* same = Find(hello.worker);
      same != nullptr && hello.session != 0 && same->session == hello.session &&
      hello.greeting != 0 && hello.greeting < same->greeting && !Mutated(Mutation::kLateHello)) {
    return Refuse(peer, ErrorCode::kHelloFirst,
                  fmt::format("hello.greeting is {}: a later one, {}, has come before it",
                              hello.greeting, same->greeting));
  }
  // What is promised to those that an earlier broker knew is to be on disk first.
  if (committed_ < taken_over_) return HearLater(peer, hello);
  Worker* worker = AdoptWorker(peer, hello, *job, t);
  if (worker == nullptr) return;
  Started(*worker);
  const bool came_back = hello.session != 0 && worker->session == hello.session;
  if (!came_back || worker->heartbeat_ms == 0 || hello.heartbeat_ms == 0) {
    worker->lease_until = Instant::Never();
    worker->lease_ms = 0;
  }
  worker->session = hello.session;
  worker->greeting = hello.greeting;
  worker->heartbeat_ms =
      std::min<uint32_t>(hello.heartbeat_ms, static_cast<uint32_t>(options_.lease.millis()) / 4);
  worker->process = {hello.host, hello.machine, hello.pid};
  if (worker->heartbeat_ms > 0) {
    worker->lease_ms = std::max(worker->lease_ms, static_cast<uint32_t>(options_.lease.millis()));
  }
  RenewLease(*worker);
  worker->peer = peer;
  worker->want = 0;
  worker->parked = false;
  worker->language = hello.language.empty() ? "unnamed" : hello.language;
  TaskRun& task = job->tasks[t];
  auto& slot = worker->language_slot;
  for (slot = 0; slot < task.languages.size(); ++slot) {
    if (task.languages[slot].language == worker->language) break;
  }
  if (slot == task.languages.size()) task.languages.push_back({worker->language, 0, 0});
  Peer& known = peers_[peer];
  known = Peer();
  known.role = Role::kWorker;
  known.worker = worker;
  WelcomeMsg welcome;
  welcome.broker = "bellis " BELLIS_VERSION;
  welcome.job = job->id;
  welcome.task = job->spec.tasks[t].task_id;
  welcome.worker = worker->id;
  welcome.duty = worker->duty;
  if (worker->heartbeat_ms > 0) {
    welcome.lease_ms = static_cast<uint32_t>(options_.lease.millis());
    welcome.heartbeat_ms = worker->heartbeat_ms;
  }
  welcome.durable = options_.durable;
  if (came_back) welcome.held = TakeUp(*worker, hello.held);
  Reported(*worker);
  SendTo(peer, std::move(welcome));
  Log(LogLevel::kDebug,
      fmt::format("worker {} of {}/{} connected ({}, {} pid {})", worker->id.value, job->id,
                  job->spec.tasks[t].task_id, worker->language, hello.host, hello.pid));
  if (over) return SendTo(peer, LeaveMsg{"the task is done"});
  if (worker->leaving) return SendTo(peer, LeaveMsg{"this worker was asked to leave"});
  ++PoolOf(*worker).live;
  if (worker->launched) PoolOf(*worker).groups[worker->group].greeted = true;
  if (!worker->held.empty()) Asked(*worker);
  if (came_back && worker->recorded) {
    MayHaveBlocks(*worker);
  } else {
    worker->recorded = false;
    worker->stored = options_.durable;
    const Launcher* launcher = worker->launched ? &launchers_.at(worker->launcher) : nullptr;
    Persist(SessionBegun{
        {worker->id, worker->session, job->number, t, worker->duty,
         static_cast<uint32_t>(worker->group), worker->heartbeat_ms, worker->lease_ms,
         worker->language, worker->process, worker->launched,
         launcher ? ProcessRef{launcher->host, launcher->machine, launcher->pid} : ProcessRef{},
         worker->replaced}});
    WhenDurable(SessionIsDurable{worker->id});
  }
  job->Touch(t);
  Queue(*job);
}

void BrokerCore::OnBye(PeerId peer, const ByeMsg& bye) {
  const std::string reason = "worker left while it held the block";
  OnPeerGone(peer, bye.reason.empty() ? reason : reason + ": " + bye.reason, /*said_bye=*/true);
}

/// Its process is not waited for any more.
void BrokerCore::Started(Worker& worker) {
  if (std::exchange(worker.starting, false)) --PoolOf(worker).starting;
}

/// It counts no more among those that may be given blocks.
void BrokerCore::NotLive(Worker& worker) {
  if (worker.live()) --PoolOf(worker).live;
  if (std::exchange(worker.asked, false)) --PoolOf(worker).asked;
}

/// It gets no further blocks; what it asked for is forgotten.
void BrokerCore::StopGiving(Worker& worker) {
  Started(worker);
  NotLive(worker);
  worker.leaving = true;
  if (Mutated(Mutation::kLeaveKeepsWants)) return;
  worker.want = 0;
  worker.parked = false;
  worker.job->Touch(worker.task);  // retries that waited for it need wait no more
  Queue(*worker.job);
}

/// Its connection is over; what it holds is for the caller to see to.
void BrokerCore::Disconnect(Worker& worker) {
  NotLive(worker);
  worker.peer = PeerId();
  worker.want = 0;
  worker.parked = false;
  worker.job->Touch(worker.task);
  Queue(*worker.job);
}

void BrokerCore::Drain(Worker& worker, const std::string& reason) {
  StopGiving(worker);
  worker.exit_expected = true;
  if (worker.peer.set()) SendTo(worker.peer, DrainMsg{reason});
  Log(LogLevel::kInfo, fmt::format("worker {} is drained: {}", worker.id.value, reason));
}

/// Tells a worker to go. One that a launcher started is stopped if it stays: `at_once`, or after
/// a while.
void BrokerCore::Leave(Worker& worker, const std::string& reason, bool at_once) {
  StopGiving(worker);
  worker.exit_expected = true;
  if (worker.peer.set()) SendTo(worker.peer, LeaveMsg{reason});
  if (!worker.launched) return;
  if (at_once) return StopProcess(worker);
  timers_.Add({now_ + options_.leave_grace, TimerKind::kStopWorker, worker.id.value});
}

/// While its launcher is away it will be told when it is back.
void BrokerCore::StopProcess(Worker& worker) {
  worker.exit_expected = true;
  worker.stop_asked = true;
  SendToLauncher(worker, StopMsg{worker.id, options_.stop_grace_ms});
}

void BrokerCore::Remove(WorkerId id) {
  const auto it = workers_.find(id);
  Job& job = *it->second.job;
  if (it->second.peer.set()) {
    const auto peer = peers_.find(it->second.peer);
    if (peer != peers_.end()) peer->second.worker = nullptr;
    Disconnect(it->second);
  }
  ReturnLeases(it->second, "worker lost");
  Reported(it->second);
  Started(it->second);
  if (it->second.stored) Persist(SessionOver{id});
  GiveResourcesBack(it->second);
  --PoolOf(it->second).size;
  job.tasks[it->second.task].workers.erase(id);
  --job.workers;
  if (it->second.launched) launchers_.at(it->second.launcher).workers.erase(id);
  workers_.erase(it);
}

/// Looks at the task again at `due`, or earlier: then whoever still wants to wait asks again.
void BrokerCore::SetTimer(Job& job, TaskIndex t, Instant due) {
  Instant& set = job.tasks[t].timer_at;
  if (set > now_ && set <= due) return;
  set = due;
  timers_.Add({due, TimerKind::kTask, job.number.value, t});
}

}  // namespace bellis
