// Workers: bye, drain, leave.

#include <fmt/format.h>

#include <utility>

#include "broker/core/broker_core.h"
#include "broker/schedule/mutation.h"

namespace bellis {

Worker* BrokerCore::Find(WorkerId id) {
  const auto it = workers_.find(id);
  return it == workers_.end() ? nullptr : &it->second;
}

Pool& BrokerCore::PoolOf(Worker& worker) {
  return worker.job->tasks[worker.task].pool(worker.duty);
}

void BrokerCore::OnBye(PeerId peer, const ByeMsg& bye) {
  const std::string reason = "worker left while it held the block";
  turn_.out().forget.push_back(peer);
  EndPeer(peer, PeerEnd::kBye, bye.reason.empty() ? reason : reason + ": " + bye.reason);
}

/// Its process is not waited for any more.
void BrokerCore::Started(Worker& worker) {
  if (std::exchange(worker.starting, false)) --PoolOf(worker).starting;
}

/// It counts no more among those that may be given blocks.
void BrokerCore::NotLive(Worker& worker) {
  if (worker.live()) --PoolOf(worker).live;
  if (std::exchange(PlaceOf(worker).asked, false)) --PoolOf(worker).asked;
}

/// It gets no further blocks; what it asked for is forgotten.
void BrokerCore::StopGiving(Worker& worker) {
  Started(worker);
  NotLive(worker);
  worker.leaving = true;
  NoteUse(worker);
  if (Mutated(Mutation::kLeaveKeepsWants)) return;
  worker.want = 0;
  worker.parked = false;
  worker.job->Touch(worker.task);  // retries that waited for it need wait no more
  jobs_.Queue(*worker.job);
}

/// Its connection is over; what it holds is for the caller to see to.
void BrokerCore::Disconnect(Worker& worker) {
  NotLive(worker);
  worker.peer = PeerId();
  worker.want = 0;
  worker.parked = false;
  NoteUse(worker);
  worker.job->Touch(worker.task);
  jobs_.Queue(*worker.job);
}

/// All connections of a worker.
void BrokerCore::Drain(Worker& worker, const std::string& reason) {
  StopGiving(worker);
  worker.exit_expected = true;
  if (worker.peer.set()) turn_.Send(worker.peer, DrainMsg{reason});
  for (const WorkerId id : worker.further) {
    Worker& further = *Find(id);
    StopGiving(further);
    if (further.peer.set()) turn_.Send(further.peer, DrainMsg{reason});
  }
  turn_.Log(LogLevel::kInfo, fmt::format("worker {} is drained: {}", worker.id.value, reason));
}

/// Tells a worker to go. One that a launcher started is stopped if it stays: `at_once`, or after
/// a while.
void BrokerCore::Leave(Worker& worker, const std::string& reason, bool at_once) {
  StopGiving(worker);
  worker.exit_expected = true;
  if (worker.peer.set()) turn_.Send(worker.peer, LeaveMsg{reason});
  if (!worker.launched) return;
  worker.must_end = true;
  if (at_once) return StopProcess(worker);
  turn_.Wake({turn_.now() + options_.leave_grace, TimerKind::kStopWorker, worker.id.value});
}

/// While its launcher is away it will be told when it is back.
void BrokerCore::StopProcess(Worker& worker) {
  worker.exit_expected = true;
  worker.stop_asked = true;
  SendToLauncher(worker, StopMsg{worker.id, options_.stop_grace_ms});
}

/// A worker that the table did not have; its slot is the caller's to give.
Worker& BrokerCore::AddWorker(WorkerId id, Job& job, TaskIndex t, Duty duty) {
  Worker& worker = workers_[id];
  worker.id = id;
  worker.job = &job;
  worker.task = t;
  worker.duty = duty;
  job.tasks[t].workers.insert(id);
  ++job.workers;
  return worker;
}

/// A slot that none of those is to have that launchers start.
void BrokerCore::TakeVisitorsSlot(Worker& worker) {
  const uint32_t places = PlacesOf(worker.job->spec.tasks[worker.task], worker.duty);
  worker.slot = PoolOf(worker).slots.Take(places);
}

void BrokerCore::Remove(WorkerId id) {
  const auto it = workers_.find(id);
  Job& job = *it->second.job;
  for (const WorkerId further : std::exchange(it->second.further, {})) OnItsOwn(*Find(further));
  if (it->second.peer.set()) {
    const auto peer = peers_.find(it->second.peer);
    if (peer != peers_.end()) peer->second.worker = nullptr;
    Disconnect(it->second);
  }
  LeasesOver(it->second, "worker lost");
  Reported(it->second);
  Started(it->second);
  if (it->second.stored) durable_.Persist(SessionOver{id});
  for (const auto& [number, task] : budget_.GiveBack(&it->second.resources)) {
    Job* waiting = jobs_.Find(number);
    if (waiting != nullptr && waiting->running()) jobs_.Touch(*waiting, task);
  }
  if (!it->second.starter.set()) PoolOf(it->second).slots.GiveBack(it->second.slot);
  job.tasks[it->second.task].workers.erase(id);
  --job.workers;
  if (it->second.launched) launchers_.at(it->second.launcher).workers.erase(id);
  const auto silent = sessionless_.find({it->second.process.machine, it->second.process.pid});
  if (silent != sessionless_.end() && silent->second == id) sessionless_.erase(silent);
  Worker* starter = Find(it->second.starter);
  workers_.erase(it);
  if (starter == nullptr) return;
  starter->further.erase(id);
  if (starter->vacant) IsVacant(*starter);
}

/// Looks at the task again at `due`, or earlier: then whoever still wants to wait asks again.
void BrokerCore::SetTimer(Job& job, TaskIndex t, Instant due) {
  Instant& set = job.tasks[t].timer_at;
  if (set > turn_.now() && set <= due) return;
  set = due;
  turn_.Wake({due, TimerKind::kTask, job.number.value, t});
}

}  // namespace bellis
