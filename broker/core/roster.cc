#include "broker/core/roster.h"

#include <algorithm>
#include <utility>

#include "broker/schedule/mutation.h"
#include "common/check.h"

namespace bellis {
namespace {

constexpr Duration kProbeInterval = Duration::Millis(200);

}  // namespace

bool KeepsLeases(const Worker& worker) {
  if (worker.heartbeat_ms > 0 || worker.launched() || worker.is_further()) return true;
  const bool holds = worker.recovering || !worker.held.empty();
  return holds && !worker.job->spec.tasks[worker.task].unsafe_leases;
}

Worker* Roster::FindSession(WorkerId id, uint64_t session) {
  Worker* named = Find(id);
  if (named == nullptr || session == 0) return nullptr;
  if (named->session == session) return named;
  for (const WorkerId further : named->further) {
    if (At(further).session == session) return &At(further);
  }
  return nullptr;
}

Worker* Roster::FindSilent(const std::string& machine, int64_t pid) {
  const auto found = silent_.find({machine, pid});
  return found == silent_.end() ? nullptr : Find(found->second);
}

// ---- entries ----

/// Adds an entry without a slot; the caller sets the slot.
Worker& Roster::Add(WorkerId id, Job& job, TaskIndex t, Duty duty) {
  const auto [entry, is_new] = workers_.try_emplace(id);
  BELLIS_CHECK(is_new, "a worker's number is not given twice");
  Worker& worker = entry->second;
  worker.id = id;
  worker.job = &job;
  worker.task = t;
  worker.duty = duty;
  job.tasks[t].workers.insert(id);
  ++job.workers;
  return worker;
}

Worker& Roster::AddExternal(WorkerId id, Job& job, TaskIndex t, Duty duty) {
  Worker& worker = Add(id, job, t, duty);
  worker.numbered_here = true;
  worker.slot = PoolOf(worker).slots.Take(PlacesOf(job.spec.tasks[t], duty));
  return worker;
}

Worker& Roster::AddFurther(WorkerId id, Worker& place) {
  Worker& worker = Add(id, *place.job, place.task, place.duty);
  worker.numbered_here = true;
  worker.slot = place.slot;
  worker.starter = place.id;
  worker.group = place.group;
  if (place.is_leaving()) worker.leaving = Leaving::kWhenDone;
  place.further.insert(id);
  return worker;
}

Worker& Roster::AddLaunched(WorkerId id, Job& job, TaskIndex t, Duty duty, size_t group,
                            LauncherId launcher) {
  Worker& worker = Add(id, job, t, duty);
  worker.group = group;
  worker.launcher = launcher;
  worker.slot = PoolOf(worker).slots.Take();
  ++GroupOf(worker).active;
  launchers_.At(launcher).workers.insert(id);
  SetPresence(worker, Presence::kExpected);
  return worker;
}

Worker& Roster::AddRecovered(const Session& session, Job& job, LauncherId launcher) {
  Worker& worker = Add(session.worker, job, session.task, session.duty);
  Worker* starter = launcher.set() ? nullptr : Find(session.starter);
  if (launcher.set()) {
    worker.launcher = launcher;
    worker.group = session.group;
    ++GroupOf(worker).active;
    launchers_.At(launcher).workers.insert(worker.id);
  } else if (starter != nullptr && starter->launched()) {
    worker.starter = starter->id;
    worker.slot = starter->slot;
    worker.group = starter->group;
    starter->further.insert(worker.id);
  }
  if (!worker.is_further()) worker.slot = PoolOf(worker).slots.TakeAgain(session.slot);
  worker.numbered_here = !session.launched;
  worker.on_record = OnRecord::kDurable;
  if (session.vacant) return worker;
  SetPresence(worker, Presence::kAway);
  if (!Mutated(Mutation::kSessionsForgotten)) AwaitReport(worker);
  return worker;
}

void Roster::BecomeExternal(Worker& worker) {
  if (worker.launched()) {
    launchers_.At(worker.launcher).workers.erase(worker.id);
    --GroupOf(worker).active;
    worker.launcher = LauncherId();
  } else {
    SetUse(worker, {});
    worker.starter = WorkerId();
    worker.slot =
        PoolOf(worker).slots.Take(PlacesOf(worker.job->spec.tasks[worker.task], worker.duty));
    NoteUse(worker);
  }
  if (!worker.peer.set()) ArmProbe(worker);
}

void Roster::Erase(Worker& worker) {
  BELLIS_CHECK(worker.presence != Presence::kPresent, "a connected worker is not erased");
  BELLIS_CHECK(worker.held.empty() && worker.further.empty() && !worker.recovering,
               "a worker that holds blocks, or may hold some, is not erased");
  Job& job = *worker.job;
  Pool& pool = PoolOf(worker);
  SetPresence(worker, Presence::kVacant);
  if (std::exchange(worker.asked, false)) --pool.asked;
  if (worker.on_record != OnRecord::kNo) durable_.Persist(SessionOver{worker.id});
  if (!worker.is_further()) pool.slots.GiveBack(worker.slot);
  if (worker.launched()) {
    --GroupOf(worker).active;
    launchers_.At(worker.launcher).workers.erase(worker.id);
  }
  job.tasks[worker.task].workers.erase(worker.id);
  --job.workers;
  const auto silent = silent_.find({worker.process.machine, worker.process.pid});
  if (silent != silent_.end() && silent->second == worker.id) silent_.erase(silent);
  Worker* starter = Find(worker.starter);
  if (starter != nullptr) starter->further.erase(worker.id);
  workers_.erase(worker.id);
  if (starter != nullptr && starter->vacant()) Vacate(*starter);
}

// ---- transitions ----

/// Changes the counters that depend on a worker's presence. Only StopGiving changes them, too.
void Roster::SetPresence(Worker& worker, Presence presence) {
  Pool& pool = PoolOf(worker);
  if (worker.expected()) --pool.starting;
  if (worker.live()) --pool.live;
  worker.presence = presence;
  if (worker.expected()) ++pool.starting;
  if (worker.live()) ++pool.live;
}

void Roster::Connect(Worker& worker, PeerId peer) {
  BELLIS_CHECK(worker.presence != Presence::kPresent, "a worker has one connection");
  SetPresence(worker, Presence::kPresent);
  worker.peer = peer;
  worker.want = 0;
  worker.parked = false;
}

void Roster::Disconnect(Worker& worker) {
  BELLIS_CHECK(worker.presence == Presence::kPresent, "only a present worker is disconnected");
  SetPresence(worker, Presence::kAway);
  if (std::exchange(PlaceOf(worker).asked, false)) --PoolOf(worker).asked;
  worker.peer = PeerId();
  worker.want = 0;
  worker.parked = false;
  NoteUse(worker);
  Touch(worker);
}

void Roster::Vacate(Worker& worker) {
  BELLIS_CHECK(worker.presence != Presence::kPresent, "a vacant worker has no connection");
  worker.lease_until = Instant::Never();
  worker.vacant_since = turn_.now();
  if (!worker.vacant()) {
    SetPresence(worker, Presence::kVacant);
    if (worker.on_record != OnRecord::kNo) durable_.Persist(SessionBegun{SessionOf(worker)});
  }
  if (!worker.further.empty()) return;
  const Duration wait = worker.is_leaving() ? options_.leave_grace : options_.hello_wait;
  turn_.Wake({turn_.now() + wait, TimerKind::kStopWorker, worker.id.value});
}

void Roster::StopGiving(Worker& worker) {
  if (worker.expected()) SetPresence(worker, Presence::kVacant);
  if (worker.live()) --PoolOf(worker).live;
  if (std::exchange(PlaceOf(worker).asked, false)) --PoolOf(worker).asked;
  if (!worker.is_leaving()) worker.leaving = Leaving::kWhenDone;
  NoteUse(worker);
  if (Mutated(Mutation::kLeaveKeepsWants)) return;
  worker.want = 0;
  worker.parked = false;
  Touch(worker);  // retries need not wait for this worker any more
}

void Roster::StopGivingAll(Worker& place) {
  StopGiving(place);
  for (const WorkerId id : place.further) StopGiving(At(id));
}

void Roster::AwaitReport(Worker& worker) {
  if (!std::exchange(worker.recovering, true)) ++worker.job->tasks[worker.task].recovering;
}

bool Roster::EndRecovering(Worker& worker) {
  if (!std::exchange(worker.recovering, false)) return false;
  Touch(worker);
  return --worker.job->tasks[worker.task].recovering == 0;
}

void Roster::PutOnRecord(Worker& worker) {
  worker.on_record = OnRecord::kWritten;
  durable_.Persist(SessionBegun{SessionOf(worker)});
}

void Roster::SetUnrecorded(Worker& worker) {
  if (worker.on_record == OnRecord::kDurable) worker.on_record = OnRecord::kWritten;
}

/// What the next broker must know about the worker.
Session Roster::SessionOf(const Worker& worker) const {
  Session session;
  session.worker = worker.id;
  session.key = worker.session;
  session.job = worker.job->number;
  session.task = worker.task;
  session.duty = worker.duty;
  session.group = static_cast<uint32_t>(worker.group);
  session.heartbeat_ms = worker.heartbeat_ms;
  session.lease_ms = worker.lease_ms;
  session.language = worker.language;
  session.process = worker.process;
  session.launched = worker.launched();
  if (worker.launched()) session.launcher = launchers_.At(worker.launcher).process;
  session.replaced = worker.superseded;
  session.starter = worker.starter;
  session.vacant = worker.vacant();
  session.slot = worker.slot;
  return session;
}

// ---- requests and leases ----

void Roster::NoteAsked(Worker& worker) {
  if (!std::exchange(PlaceOf(worker).asked, true)) ++PoolOf(worker).asked;
}

void Roster::Park(Worker& worker) {
  Pool& pool = PoolOf(worker);
  pool.idle_since = Instant::Never();
  NoteAsked(worker);
  if (!std::exchange(worker.parked, true)) {
    worker.parked_since = turn_.now();
    pool.parked.push_back(worker.id);
  }
  NoteUse(worker);
  Touch(worker);
}

Worker* Roster::FirstParked(Pool& pool) {
  while (!pool.parked.empty()) {
    Worker* worker = Find(pool.parked.front());
    if (worker != nullptr && worker->parked) return worker;
    pool.parked.pop_front();
  }
  return nullptr;
}

void Roster::ServeFirst(Pool& pool, Worker& worker, uint32_t blocks) {
  pool.parked.pop_front();
  worker.want -= blocks;
  if (worker.want > 0) {
    pool.parked.push_back(worker.id);
  } else {
    worker.parked = false;
  }
  NoteUse(worker);
}

void Roster::NoteUse(Worker& worker) {
  const bool live = worker.live();
  const bool holds = !worker.held.empty();
  SetUse(worker, {live && worker.parked, live && holds, !live && holds});
}

void Roster::SetUse(Worker& worker, const Use& use) {
  Worker& place = PlaceOf(worker);
  Pool& pool = PoolOf(worker);
  Use& all = place.use_of_all;
  if (all.engaged()) --pool.engaged;
  all.wait += use.wait - worker.use.wait;
  all.hold += use.hold - worker.use.hold;
  all.hold_away += use.hold_away - worker.use.hold_away;
  worker.use = use;
  if (all.engaged()) ++pool.engaged;
  if (all.idle() && worker.job->spec.tasks[worker.task].release_idle) {
    pool.idle.insert(place.id);
  } else if (!pool.idle.empty()) {
    pool.idle.erase(place.id);
  }
}

void Roster::StartBlock(Worker& worker) {
  if (worker.held.empty()) return;
  worker.held.front().start = turn_.now();
  const Duration timeout = worker.job->spec.tasks[worker.task].timeout;
  if (timeout.ns <= 0) return;
  worker.block_deadline = turn_.now() + timeout;
  if (std::exchange(worker.timer_set.block_timeout, true)) return;
  turn_.Wake({worker.block_deadline, TimerKind::kBlockTimeout, worker.id.value});
}

void Roster::RenewLease(Worker& worker) {
  worker.heard = turn_.now();
  if (worker.heartbeat_ms == 0) return;
  const Duration lease = options_.lease;
  const Instant until =
      turn_.now() + (Mutated(Mutation::kLeaseTooShort) ? Duration{lease.ns / 4} : lease);
  const bool promised = worker.lease_until != Instant::Never() && worker.lease_until > until;
  if (!promised) worker.lease_until = until;
  if (std::exchange(worker.timer_set.lease, true)) return;
  turn_.Wake({worker.lease_until, TimerKind::kLease, worker.id.value});
}

void Roster::ArmProbe(Worker& worker) {
  if (worker.process.machine.empty() || worker.process.pid <= 0) return;
  turn_.out().probes.push_back({worker.id, worker.process});
  if (std::exchange(worker.timer_set.probe, true)) return;
  turn_.Wake({turn_.now() + kProbeInterval, TimerKind::kProbe, worker.id.value});
}

// ---- faults ----

void Roster::ExcuseAll() {
  excused_from_ = turn_.now();
  excused_ = durable_.last_worker();
}

Fault Roster::FaultOf(const Worker& worker) const {
  const bool cut_off = worker.heartbeat_ms > 0 && worker.id <= excused_ &&
                       worker.heard < excused_from_ + Duration{options_.lease.ns / 4};
  return worker.orphaned || cut_off ? Fault::kNotItsOwn : Fault::kItsOwn;
}

}  // namespace bellis
