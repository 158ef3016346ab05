// A worker says hello: which one it is, and what it is told.
//
// A worker that a launcher started has a place: it counts among num_workers, and its end is
// reported. Its process, or those that it starts, may open several connections. The first has the
// number of the place. Each further one that is there at the same time has a number and leases of
// its own, and counts no further. Nobody's hello ends the leases of another: the process that holds
// them may live.
//
//   place 3 <- hello {worker 3, session 11}    it has the place: worker 3
//           <- hello {worker 3, session 12}    a further connection: worker 8, of place 3

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/core/broker_core.h"
#include "broker/schedule/mutation.h"

namespace bellis {
namespace {

/// A hello may be late by as long as a connection takes to break: so many processes do not follow
/// each other under one id meanwhile.
constexpr size_t kReplacedKept = 8;
constexpr size_t kFurtherMax = 1023;
/// Languages of a task that are counted by name; what they are called is the workers' choice.
constexpr size_t kLanguagesMax = 32;

/// Whether both name one process, for certain.
bool SameProcess(const ProcessRef& process, const HelloMsg& hello) {
  return !hello.machine.empty() && hello.pid > 0 && process.machine == hello.machine &&
         process.pid == hello.pid;
}

/// Where blocks of that language are counted; beyond kLanguagesMax it is one of the "others".
size_t LanguageSlot(std::vector<LanguageRun>* languages, std::string* name) {
  const auto find = [&] {
    return std::find_if(languages->begin(), languages->end(),
                        [&](const LanguageRun& run) { return run.language == *name; });
  };
  auto found = find();
  if (found == languages->end() && languages->size() >= kLanguagesMax) {
    *name = "others";
    found = find();
  }
  const auto slot = static_cast<size_t>(found - languages->begin());
  if (found == languages->end()) languages->push_back({*name, 0, 0});
  return slot;
}

}  // namespace

void BrokerCore::OnHello(PeerId peer, const HelloMsg& hello) {
  const LauncherId launcher =
      hello.role == Role::kLauncher ? FindLauncher(peer, hello) : LauncherId();
  const auto known = peers_.find(peer);
  // A launcher may repeat itself, when the answer was long in coming; so may a worker.
  const bool itself =
      (known != peers_.end() && launcher.set() && known->second.launcher == launcher) ||
      SaysItAgain(peer, hello) != nullptr;
  if (known != peers_.end() && !itself) {
    EndPeer(peer, PeerEnd::kLost, "it said hello again");  // the connection goes on
  }
  // One that was away is told to leave as the others were.
  if (stopping_ && !launcher.set())
    return turn_.Refuse(peer, ErrorCode::kShuttingDown, "the broker is about to stop");
  if (hello.role == Role::kWorker) return HelloWorker(peer, hello);
  if (hello.role == Role::kPulse) return HelloPulse(peer, hello);
  peers_[peer].role = hello.role;
  WelcomeMsg welcome;
  welcome.broker = "bellis " BELLIS_VERSION;
  turn_.Send(peer, std::move(welcome));
  if (hello.role == Role::kLauncher) HelloLauncher(peer, hello);
}

/// Which job and task a worker means; refuses its hello when that is none.
Job* BrokerCore::JobForWorker(PeerId peer, const HelloMsg& hello, TaskIndex* task) {
  if (const Worker* worker = SaysItAgain(peer, hello)) {
    *task = worker->task;
    return worker->job;
  }
  Job* found = nullptr;
  if (!hello.job.empty()) {
    found = jobs_.FindById(hello.job);
    if (found == nullptr) {
      turn_.Refuse(peer, ErrorCode::kUnknownJob,
                   fmt::format("hello.job is \"{}\": no such job", hello.job));
      return nullptr;
    }
  } else {
    for (auto& [number, job] : jobs_) {
      if (!job->running()) continue;
      if (found != nullptr) {
        turn_.Refuse(peer, ErrorCode::kUnknownJob,
                     "hello.job is empty, and several jobs are running");
        return nullptr;
      }
      found = job.get();
    }
    if (found == nullptr) {
      turn_.Refuse(peer, ErrorCode::kUnknownJob, "hello.job is empty, and no job is running");
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
  turn_.Refuse(
      peer, ErrorCode::kUnknownTask,
      hello.task.empty()
          ? fmt::format("hello.task is empty, and job {} has {} tasks", found->id, tasks.size())
          : fmt::format("hello.task is \"{}\": job {} has no such task", hello.task, found->id));
  return nullptr;
}

/// Whether a hello of `peer` is of this worker's process and connection. One that gives no session
/// has said the same over this connection before; or its process is the same, and it has lost the
/// former connection or repeats the number that it was given.
bool BrokerCore::IsConnectionOf(const Worker& worker, PeerId peer, const HelloMsg& hello) const {
  const WorkerId place = PlaceOf(worker).id;
  if (hello.worker.set() && hello.worker != worker.id && hello.worker != place) return false;
  if (worker.session != hello.session) return false;
  if (hello.session != 0) return true;
  if (worker.vacant) return false;
  if (worker.peer == peer) return true;
  if (!SameProcess(worker.process, hello)) return false;
  return !worker.peer.set() || (worker.numbered_here && hello.worker == worker.id);
}

/// The worker that this connection is, when the hello is its own.
Worker* BrokerCore::SaysItAgain(PeerId peer, const HelloMsg& hello) {
  const auto known = peers_.find(peer);
  if (hello.role != Role::kWorker || known == peers_.end()) return nullptr;
  Worker* worker = known->second.worker;
  if (worker == nullptr || !IsConnectionOf(*worker, peer, hello)) return nullptr;
  const std::string& task_id = worker->job->spec.tasks[worker->task].task_id;
  const bool same_job = hello.job.empty() || jobs_.FindById(hello.job) == worker->job;
  return same_job && (hello.task.empty() || hello.task == task_id) ? worker : nullptr;
}

/// The worker that says this hello, if the broker has heard of it before.
Worker* BrokerCore::KnownWorker(PeerId peer, const HelloMsg& hello, const Job& job, TaskIndex t) {
  const auto is_it = [&](Worker* worker) {
    return worker != nullptr && worker->job == &job && worker->task == t &&
           IsConnectionOf(*worker, peer, hello);
  };
  if (Worker* itself = SaysItAgain(peer, hello)) return itself;
  if (!hello.worker.set()) {
    if (hello.session != 0 || hello.machine.empty()) return nullptr;
    const auto silent = sessionless_.find({hello.machine, hello.pid});
    Worker* worker = silent == sessionless_.end() ? nullptr : Find(silent->second);
    return is_it(worker) && worker->duty == hello.duty ? worker : nullptr;
  }
  Worker* named = Find(hello.worker);
  if (named == nullptr || is_it(named)) return named;
  for (const WorkerId id : named->further) {
    if (is_it(Find(id))) return Find(id);
  }
  return nullptr;
}

/// A worker of this number and session, as its pulse names it.
Worker* BrokerCore::FindSession(WorkerId id, uint64_t session) {
  Worker* named = Find(id);
  if (named == nullptr || session == 0) return nullptr;
  if (named->session == session) return named;
  for (const WorkerId further : named->further) {
    if (Find(further)->session == session) return Find(further);
  }
  return nullptr;
}

/// An entry of its own: for one that came by itself, or for a further connection of `place`.
Worker* BrokerCore::EnterWorker(const HelloMsg& hello, Job& job, TaskIndex t, Worker* place) {
  const WorkerId id = durable_.NextWorker();
  Worker& worker = AddWorker(id, job, t, place != nullptr ? place->duty : hello.duty);
  worker.numbered_here = true;
  if (place != nullptr && place->launched) {
    worker.slot = place->slot;
    worker.starter = place->id;
    worker.group = place->group;
    worker.leaving = place->leaving;
    place->further.insert(id);
    turn_.Log(LogLevel::kInfo, fmt::format("worker {} is a further connection of worker {}",
                                           id.value, place->id.value));
  } else {
    TakeVisitorsSlot(worker);
  }
  return &worker;
}

/// The table's entry for a hello of one that was not heard of before. Nobody else's is touched.
Worker* BrokerCore::AdoptWorker(PeerId peer, const HelloMsg& hello, Job& job, TaskIndex t) {
  if (!hello.worker.set()) return EnterWorker(hello, job, t, nullptr);
  Worker& named = *Find(hello.worker);
  Worker& place = PlaceOf(named);
  if (named.vacant && named.launched) {
    if (named.session != 0) {
      if (named.replaced.size() == kReplacedKept) named.replaced.erase(named.replaced.begin());
      named.replaced.push_back(named.session);
    }
    return &named;
  }
  if (place.further.size() >= kFurtherMax) {
    turn_.Refuse(peer, ErrorCode::kLimit,
                 fmt::format("hello.worker is {}: it has {} connections, and may have no more",
                             hello.worker.value, place.further.size() + 1));
    return nullptr;
  }
  if (!named.peer.set()) ArmProbe(named);  // or has it ended?
  return EnterWorker(hello, job, t, &place);
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

/// Refuses a hello that names no worker or task to work for. True: it was refused.
/// `known`: it is not the first hello of this connection.
bool BrokerCore::RefuseWorker(PeerId peer, const HelloMsg& hello, const Job& job, TaskIndex t,
                              bool known) {
  const TaskSpec& spec = job.spec.tasks[t];
  const Worker* named = Find(hello.worker);
  const auto refuse = [&](ErrorCode code, std::string text) {
    turn_.Refuse(peer, code, std::move(text));
    return true;
  };
  const bool over = !job.running() || job.tasks[t].closed;
  if (over && named == nullptr) {
    return refuse(ErrorCode::kUnknownTask,
                  fmt::format("task \"{}\" of job {} has ended", spec.task_id, job.id));
  }
  if (hello.duty != Duty::kWork && GroupsOf(spec, hello.duty).empty()) {
    return refuse(ErrorCode::kUnknownTask,
                  fmt::format("hello.duty is \"{}\": task \"{}\" of job {} has no {}",
                              DutyName(hello.duty), spec.task_id, job.id, DutyName(hello.duty)));
  }
  if (hello.worker.set() && (named == nullptr || named->job != &job || named->task != t)) {
    return refuse(ErrorCode::kUnknownWorker,
                  fmt::format("hello.worker is {}: not a worker of task \"{}\" of job {}",
                              hello.worker.value, spec.task_id, job.id));
  }
  const bool watched = named != nullptr && PlaceOf(*named).launched;
  if (hello.heartbeat_ms == 0 && !watched && !known && hello.duty == Duty::kWork &&
      spec.read_write_conflict != Conflict::kNone && spec.read_roi != spec.write_roi &&
      !spec.unsafe_leases) {
    return refuse(ErrorCode::kLimit,
                  fmt::format("hello.heartbeat_ms is 0: blocks of task \"{}\" conflict, and nobody "
                              "would know of the end of this worker; expected heartbeats, a "
                              "launcher, or unsafe_leases = true in the task",
                              spec.task_id));
  }
  if (IsReplaced(hello)) {
    return refuse(ErrorCode::kUnknownWorker,
                  fmt::format("hello.session is that of a former process of worker {}: another has "
                              "come in its place",
                              hello.worker.value));
  }
  const Worker* same = FindSession(hello.worker, hello.session);
  if (same != nullptr && hello.greeting != 0 && hello.greeting < same->greeting &&
      !Mutated(Mutation::kLateHello)) {
    return refuse(ErrorCode::kHelloFirst,
                  fmt::format("hello.greeting is {}: a later one, {}, has come before it",
                              hello.greeting, same->greeting));
  }
  return false;
}

/// True: it is refused, or heard again when what it needs is on disk.
bool BrokerCore::WaitsForDisk(PeerId peer, const HelloMsg& hello, bool known) {
  const Worker* named = Find(hello.worker);
  const bool needs_id = !known && !(named != nullptr && named->launched && named->vacant);
  if (needs_id && !durable_.HasWorkerIds()) {
    if (!durable_.in_trouble()) {  // soon there will be
      durable_.SetIdsAside();
      durable_.HearLater(peer, hello);
    } else {
      turn_.Refuse(peer, ErrorCode::kStorage,
                   "no worker id is free until the state directory can be written");
    }
    return true;
  }
  // What is promised to those that an earlier broker knew is to be on disk first.
  if (durable_.PromisesKept()) return false;
  durable_.HearLater(peer, hello);
  return true;
}

void BrokerCore::HelloWorker(PeerId peer, const HelloMsg& hello) {
  TaskIndex t = 0;
  Job* job = JobForWorker(peer, hello, &t);
  if (job == nullptr) return;
  Worker* worker = KnownWorker(peer, hello, *job, t);
  const bool came_back = worker != nullptr;
  if (RefuseWorker(peer, hello, *job, t, came_back)) return;
  if (WaitsForDisk(peer, hello, came_back)) return;
  if (worker == nullptr) worker = AdoptWorker(peer, hello, *job, t);
  if (worker == nullptr) return;
  if (worker->peer.set()) {
    if (worker->peer != peer) peers_[worker->peer].worker = nullptr;
    Disconnect(*worker);
  }
  Started(*worker);
  if (worker->launched) PoolOf(*worker).groups[worker->group].greeted = true;
  Introduce(*worker, peer, hello, came_back);
  WelcomeMsg welcome = WelcomeFor(*worker);
  // One without a session does not know what became of a block that it is to be stopped for.
  const bool says = worker->session != 0 || worker->loss_reason.empty();
  if (came_back && says) welcome.held = TakeUp(*worker, hello.held);
  Reported(*worker);
  turn_.Send(peer, std::move(welcome));
  turn_.Log(LogLevel::kDebug,
            fmt::format("worker {} of {}/{} connected ({}, {} pid {})", worker->id.value, job->id,
                        job->spec.tasks[t].task_id, worker->language, hello.host, hello.pid));
  if (!job->running() || job->tasks[t].closed) {
    worker->leaving = true;
    return turn_.Send(peer, LeaveMsg{"the task is done"});
  }
  if (worker->leaving) return turn_.Send(peer, LeaveMsg{"this worker was asked to leave"});
  ++PoolOf(*worker).live;
  NoteUse(*worker);
  if (!worker->held.empty()) Asked(*worker);
  if (came_back && worker->recorded) {
    MayHaveBlocks(*worker);
  } else {
    worker->recorded = false;
    worker->stored = durable_.kept();
    durable_.Persist(SessionBegun{SessionOf(*worker)});
    WhenDurable(SessionIsDurable{worker->id});
  }
  job->Touch(t);
  jobs_.Queue(*job);
}

/// From now on this is its connection.
void BrokerCore::Introduce(Worker& worker, PeerId peer, const HelloMsg& hello, bool came_back) {
  if (!came_back || worker.heartbeat_ms == 0 || hello.heartbeat_ms == 0) {
    worker.lease_until = Instant::Never();
    worker.lease_ms = 0;
  }
  if (worker.vacant) worker.recorded = false;  // on record is that nobody is there
  worker.vacant = false;
  worker.gone_since = Instant::Never();
  worker.session = hello.session;
  worker.greeting = hello.greeting;
  worker.heartbeat_ms =
      std::min<uint32_t>(hello.heartbeat_ms, static_cast<uint32_t>(options_.lease.millis()) / 4);
  worker.process = {hello.host, hello.machine, hello.pid};
  if (worker.session == 0 && worker.numbered_here && !hello.machine.empty()) {
    sessionless_[{hello.machine, hello.pid}] = worker.id;
  }
  if (worker.heartbeat_ms > 0) {
    worker.lease_ms = std::max(worker.lease_ms, static_cast<uint32_t>(options_.lease.millis()));
  }
  RenewLease(worker);
  worker.peer = peer;
  worker.want = 0;
  worker.parked = false;
  worker.language = hello.language.empty() ? "unnamed" : hello.language;
  worker.language_slot = LanguageSlot(&worker.job->tasks[worker.task].languages, &worker.language);
  Peer& known = peers_[peer];
  known = Peer();
  known.role = Role::kWorker;
  known.worker = &worker;
}

}  // namespace bellis
