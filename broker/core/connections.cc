// The connections of one worker: the place that a launcher's process has, and further ones.

#include <utility>

#include "broker/core/broker_core.h"

namespace bellis {

/// The worker that counts among num_workers: of a further connection its starter, else itself.
Worker& BrokerCore::PlaceOf(Worker& worker) {
  Worker* starter = worker.starter.set() ? Find(worker.starter) : nullptr;
  return starter != nullptr ? *starter : worker;
}

const Worker& BrokerCore::PlaceOf(const Worker& worker) const {
  const auto starter = workers_.find(worker.starter);
  return starter != workers_.end() ? starter->second : worker;
}

/// The process of a place's own connection is gone, while others of the place may go on.
void BrokerCore::Vacate(Worker& worker, const std::string& reason) {
  LeasesOver(worker, reason);
  Reported(worker);
  IsVacant(worker);
}

/// Nobody is behind the number of this place; its next hello has it. With no further connection
/// either, its process has a while to end, or to connect anew.
void BrokerCore::IsVacant(Worker& worker) {
  worker.lease_until = Instant::Never();
  worker.vacant_since = turn_.now();
  if (!std::exchange(worker.vacant, true) && worker.stored) {
    durable_.Persist(SessionBegun{SessionOf(worker)});
  }
  if (!worker.further.empty()) return;
  const Duration wait = worker.leaving ? options_.leave_grace : options_.hello_wait;
  turn_.Wake({turn_.now() + wait, TimerKind::kStopWorker, worker.id.value});
}

/// It was told to leave and has not, or has been without a connection for too long.
void BrokerCore::StopIfIdle(Worker& worker) {
  const Duration wait = worker.leaving ? options_.leave_grace : options_.hello_wait;
  const bool idle =
      worker.vacant && worker.further.empty() && turn_.now() >= worker.vacant_since + wait;
  const bool lost = worker.session == 0 && !worker.vacant && !worker.peer.set() &&
                    turn_.now() >= worker.away_since + options_.reconnect_window;
  Worker& place = PlaceOf(worker);
  if (place.launched && (worker.must_end || idle || lost)) StopProcess(place);
}

void BrokerCore::GiveBackAll(Worker& worker) {
  if (worker.held.empty()) return;
  jobs_.Queue(*worker.job);
  for (const Lease& lease : std::exchange(worker.held, {})) GiveBack(worker, lease);
  NoteUse(worker);
}

/// It counts by itself from now on: nobody reports the end of its starter.
void BrokerCore::OnItsOwn(Worker& worker) {
  SetUse(worker, {});
  worker.starter = WorkerId();
  TakeVisitorsSlot(worker);
  NoteUse(worker);
  if (!worker.peer.set()) ArmProbe(worker);
}

/// Their launcher is lost: they may not be, and the leases of those that ping have not ended.
void BrokerCore::FurtherBecomeVisitors(Worker& place) {
  for (const WorkerId id : std::set<WorkerId>(place.further)) {
    Worker& worker = *Find(id);
    if (worker.heartbeat_ms == 0 || worker.lease_until <= turn_.now()) continue;
    place.further.erase(id);
    OnItsOwn(worker);
  }
}

}  // namespace bellis
