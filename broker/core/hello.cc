// A worker says hello: finds out which worker it is, and answers.
//
// A worker that a launcher started has a place: it counts among num_workers, and its end is
// reported. Its process, or those that it starts, may open several connections. The first
// connection has the number of the place. Each further connection that exists at the same time has
// a number and leases of its own, and is not counted as a worker. A hello never ends the leases of
// another connection, because the process that holds them may be alive.
//
//   place 3 <- hello {worker 3, session 11}    it has the place: worker 3
//           <- hello {worker 3, session 12}    a further connection: worker 8, of place 3

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "bellis/version.h"
#include "broker/core/greeting.h"
#include "broker/schedule/mutation.h"

namespace bellis {

namespace {

/// How many superseded sessions of a worker are remembered. A stale hello arrives no later than a
/// broken connection is noticed, and fewer processes than this take over one id in that time.
constexpr size_t kSupersededKept = 8;

constexpr size_t kFurtherMax = 1023;

/// How many languages of a task are counted by name. The limit is needed because workers choose the
/// names.
constexpr size_t kLanguagesMax = 32;

/// Whether both certainly name the same process.
bool SameProcess(const ProcessRef& process, const HelloMsg& hello) {
  return !hello.machine.empty() && hello.pid > 0 && process.machine == hello.machine &&
         process.pid == hello.pid;
}

/// The entry that counts blocks of that language. Languages beyond kLanguagesMax are counted as
/// "others", and `*name` is changed to that.
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

void Greeting::OnHello(PeerId peer, const HelloMsg& hello) {
  const LauncherId launcher = hello.role == Role::kLauncher
                                  ? launchers_.FindProcess(hello.host, hello.pid, peer)
                                  : LauncherId();
  const Peer* known = peers_.Find(peer);
  // A launcher or a worker may repeat its hello when the answer takes long.
  const bool itself = (known != nullptr && launcher.set() && known->launcher == launcher) ||
                      SaysItAgain(peer, hello) != nullptr;
  if (known != nullptr && !itself) {
    losses_.EndPeer(peer, PeerEnd::kLost, "it said hello again");  // the connection goes on
  }
  // A launcher that was away is told to leave, as the connected ones were.
  if (turn_.stopping() && !launcher.set()) {
    return turn_.Refuse(peer, ErrorCode::kShuttingDown, "the broker is about to stop");
  }
  switch (hello.role) {
    case Role::kWorker: return HelloWorker(peer, hello);
    case Role::kPulse: return HelloPulse(peer, hello);
    case Role::kClient:
    case Role::kLauncher: break;
  }
  if (!peers_.Has(peer)) peers_.Bind(peer, {.role = hello.role});
  WelcomeMsg welcome;
  welcome.broker = "bellis " BELLIS_VERSION;
  turn_.Send(peer, std::move(welcome));
  if (hello.role == Role::kLauncher) launcher_links_.Hello(peer, hello);
}

/// Finds the job and task that a worker's hello names; refuses the hello if there are none.
Job* Greeting::JobForWorker(PeerId peer, const HelloMsg& hello, TaskIndex* task) {
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

/// Whether a hello of `peer` comes from this worker. A hello with a session does if the session is
/// the worker's. A hello without a session does if it came over the worker's connection, or if it
/// comes from the same process and the worker has lost its connection or the hello repeats the
/// number that the broker gave.
bool Greeting::IsConnectionOf(const Worker& worker, PeerId peer, const HelloMsg& hello) const {
  const WorkerId place = roster_.PlaceOf(worker).id;
  if (hello.worker.set() && hello.worker != worker.id && hello.worker != place) return false;
  if (worker.session != hello.session) return false;
  if (hello.session != 0) return true;
  if (worker.vacant()) return false;
  if (worker.peer == peer) return true;
  if (!SameProcess(worker.process, hello)) return false;
  return !worker.peer.set() || (worker.numbered_here && hello.worker == worker.id);
}

/// The worker to which this connection belongs, if the hello repeats that worker's earlier hello.
Worker* Greeting::SaysItAgain(PeerId peer, const HelloMsg& hello) {
  const Peer* known = peers_.Find(peer);
  if (hello.role != Role::kWorker || known == nullptr) return nullptr;
  Worker* worker = known->worker;
  if (worker == nullptr || !IsConnectionOf(*worker, peer, hello)) return nullptr;
  const std::string& task_id = worker->job->spec.tasks[worker->task].task_id;
  const bool same_job = hello.job.empty() || jobs_.FindById(hello.job) == worker->job;
  return same_job && (hello.task.empty() || hello.task == task_id) ? worker : nullptr;
}

/// The worker that says this hello, if the broker has heard of it before.
Worker* Greeting::KnownWorker(PeerId peer, const HelloMsg& hello, const Job& job, TaskIndex t) {
  const auto is_it = [&](Worker* worker) {
    return worker != nullptr && worker->job == &job && worker->task == t &&
           IsConnectionOf(*worker, peer, hello);
  };
  if (Worker* itself = SaysItAgain(peer, hello)) return itself;
  if (!hello.worker.set()) {
    if (hello.session != 0 || hello.machine.empty()) return nullptr;
    Worker* worker = roster_.FindSilent(hello.machine, hello.pid);
    return is_it(worker) && worker->duty == hello.duty ? worker : nullptr;
  }
  Worker* named = roster_.Find(hello.worker);
  if (named == nullptr || is_it(named)) return named;
  for (const WorkerId id : named->further) {
    if (is_it(roster_.Find(id))) return roster_.Find(id);
  }
  return nullptr;
}

/// Makes a new entry for an external worker, or for a further connection of `place`.
Worker* Greeting::Enter(const HelloMsg& hello, Job& job, TaskIndex t, Worker* place) {
  const WorkerId id = durable_.NextWorker();
  if (place == nullptr) return &roster_.AddExternal(id, job, t, hello.duty);
  if (!place->launched()) return &roster_.AddExternal(id, job, t, place->duty);
  turn_.Log(LogLevel::kInfo, fmt::format("worker {} is a further connection of worker {}", id.value,
                                         place->id.value));
  return &roster_.AddFurther(id, *place);
}

/// Makes or finds the entry of a new worker, and changes nobody else's leases. nullptr: the hello
/// is refused.
Worker* Greeting::Adopt(PeerId peer, const HelloMsg& hello, Job& job, TaskIndex t) {
  if (!hello.worker.set()) return Enter(hello, job, t, nullptr);
  Worker& named = roster_.At(hello.worker);
  Worker& place = roster_.PlaceOf(named);
  if (named.vacant() && named.launched()) {
    if (named.session == 0) return &named;
    std::vector<uint64_t>& superseded = named.superseded;
    if (superseded.size() == kSupersededKept) superseded.erase(superseded.begin());
    superseded.push_back(named.session);
    return &named;
  }
  if (place.further.size() >= kFurtherMax) {
    turn_.Refuse(peer, ErrorCode::kLimit,
                 fmt::format("hello.worker is {}: it has {} connections, and may have no more",
                             hello.worker.value, place.further.size() + 1));
    return nullptr;
  }
  if (!named.peer.set()) roster_.ArmProbe(named);  // its process may have ended
  return Enter(hello, job, t, &place);
}

/// Whether the hello comes from a superseded session, that is, from a process whose number another
/// process has by now. The former process has ended, or must end when it gets the refusal. If the
/// hello were taken for a new process, the process that works now would be superseded.
bool Greeting::IsSuperseded(const HelloMsg& hello) {
  const Worker* worker = roster_.Find(hello.worker);
  if (worker == nullptr || hello.session == 0) return false;
  if (Mutated(Mutation::kReplacedComesBack)) return false;
  return std::find(worker->superseded.begin(), worker->superseded.end(), hello.session) !=
         worker->superseded.end();
}

/// Refuses a hello that names no worker or task that there is, or that is stale. Returns whether it
/// was refused. `known`: the worker that says it; nullptr: a new worker.
bool Greeting::RefuseWorker(PeerId peer, const HelloMsg& hello, const Job& job, TaskIndex t,
                            const Worker* known) {
  const TaskSpec& spec = job.spec.tasks[t];
  const Worker* named = roster_.Find(hello.worker);
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
  const bool watched = named != nullptr && roster_.PlaceOf(*named).launched();
  if (hello.heartbeat_ms == 0 && !watched && known == nullptr && hello.duty == Duty::kWork &&
      spec.read_write_conflict != Conflict::kNone && spec.read_roi != spec.write_roi &&
      !spec.unsafe_leases) {
    return refuse(ErrorCode::kLimit,
                  fmt::format("hello.heartbeat_ms is 0: blocks of task \"{}\" conflict, and nobody "
                              "would know of the end of this worker; expected heartbeats, a "
                              "launcher, or unsafe_leases = true in the task",
                              spec.task_id));
  }
  if (IsSuperseded(hello)) {
    return refuse(ErrorCode::kUnknownWorker,
                  fmt::format("hello.session is that of a former process of worker {}: another has "
                              "come in its place",
                              hello.worker.value));
  }
  const Worker* same = roster_.FindSession(hello.worker, hello.session);
  if (same != nullptr && hello.greeting != 0 && hello.greeting < same->greeting &&
      !Mutated(Mutation::kLateHello)) {
    return refuse(ErrorCode::kHelloFirst,
                  fmt::format("hello.greeting is {}: a later one, {}, has come before it",
                              hello.greeting, same->greeting));
  }
  return false;
}

/// Returns true if the hello was refused, or waits and is handled again when records that it needs
/// are on disk.
bool Greeting::WaitsForDisk(PeerId peer, const HelloMsg& hello, const Worker* known) {
  const Worker* named = roster_.Find(hello.worker);
  const bool needs_id =
      known == nullptr && !(named != nullptr && named->launched() && named->vacant());
  if (needs_id && !durable_.HasWorkerIds()) {
    if (!durable_.in_trouble()) {  // they come soon
      durable_.SetIdsAside();
      durable_.HearLater(peer, hello);
    } else {
      turn_.Refuse(peer, ErrorCode::kStorage,
                   "no worker id is free until the state directory can be written");
    }
    return true;
  }
  // Promises to workers of an earlier broker must be on disk first.
  if (durable_.PromisesKept()) return false;
  durable_.HearLater(peer, hello);
  return true;
}

void Greeting::HelloWorker(PeerId peer, const HelloMsg& hello) {
  const std::optional<Admission> admission = Admit(peer, hello);
  if (!admission) return;
  Job& job = *admission->job;
  const TaskIndex t = admission->task;
  const bool came_back = admission->known != nullptr;
  Worker* worker = came_back ? admission->known : Adopt(peer, hello, job, t);
  if (worker == nullptr) return;
  if (worker->peer.set()) {
    if (worker->peer != peer) peers_.Unbind(worker->peer);
    roster_.Disconnect(*worker);
  }
  const bool over = !job.running() || job.tasks[t].closed;
  if (over) roster_.ComeToLeave(*worker);
  if (worker->launched()) Roster::GroupOf(*worker).greeted = true;
  if (!came_back || worker->heartbeat_ms == 0 || hello.heartbeat_ms == 0) {
    worker->lease_until = Instant::Never();
    worker->lease_ms = 0;
  }
  Introduce(*worker, peer, hello);
  if (came_back) {
    WelcomeBack(*worker, hello);
  } else {
    Welcome(*worker, {});
  }
  if (over) return turn_.Send(peer, LeaveMsg{"the task is done"});
  if (worker->is_leaving()) {
    // A drained worker goes on with its blocks. `leave` would say that they are no longer its own.
    constexpr const char* kReason = "this worker was asked to leave";
    if (worker->held.empty()) return turn_.Send(peer, LeaveMsg{kReason});
    return turn_.Send(peer, DrainMsg{kReason});
  }
  roster_.NoteUse(*worker);
  if (!worker->held.empty()) roster_.NoteAsked(*worker);
  if (came_back && worker->may_have_blocks()) {
    MayHaveBlocks(*worker);
  } else {
    Record(*worker);
  }
  jobs_.Touch(job, t);
}

/// Finds the job, the task and, unless it is new, the worker of a hello. nullopt: the hello was
/// refused, or is handled again later.
std::optional<Greeting::Admission> Greeting::Admit(PeerId peer, const HelloMsg& hello) {
  Admission admission;
  admission.job = JobForWorker(peer, hello, &admission.task);
  if (admission.job == nullptr) return std::nullopt;
  const Job& job = *admission.job;
  admission.known = KnownWorker(peer, hello, job, admission.task);
  if (RefuseWorker(peer, hello, job, admission.task, admission.known)) return std::nullopt;
  if (WaitsForDisk(peer, hello, admission.known)) return std::nullopt;
  return admission;
}

/// `peer` is the worker's connection from now on; copies what `hello` says about the process.
void Greeting::Introduce(Worker& worker, PeerId peer, const HelloMsg& hello) {
  const auto lease_ms = static_cast<uint32_t>(options_.lease.millis());
  if (worker.vacant()) roster_.SetUnrecorded(worker);  // its record says that nobody is there
  worker.gone_since = Instant::Never();
  worker.session = hello.session;
  worker.greeting = hello.greeting;
  worker.heartbeat_ms = std::min<uint32_t>(hello.heartbeat_ms, lease_ms / 4);
  worker.runs = hello.runs && worker.job->graph != nullptr;
  worker.process = {hello.host, hello.machine, hello.pid};
  if (worker.session == 0 && worker.numbered_here && !hello.machine.empty()) {
    roster_.SetSilent(worker);
  }
  if (worker.heartbeat_ms > 0) worker.lease_ms = std::max(worker.lease_ms, lease_ms);
  roster_.RenewLease(worker);
  worker.language = hello.language.empty() ? "unnamed" : hello.language;
  worker.language_slot = LanguageSlot(&worker.job->tasks[worker.task].languages, &worker.language);
  roster_.Connect(worker, peer);
  peers_.Bind(peer, {.role = Role::kWorker, .worker = &worker});
}

}  // namespace bellis
