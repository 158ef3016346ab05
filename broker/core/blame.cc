// Which block a lost worker died of (SEMANTICS "failed").
//
// A process may hold several blocks: some wait their turn, and of others the results were lost with
// it. Only what it worked on is blamed. Its launcher says which that was, where the process noted
// it (PROTOCOL.md "What a worker works on"). Where nobody knows, or several were worked on at once,
// nothing is counted against any of them: each is handed out again alone, so that the next time it
// is known.

#include <algorithm>
#include <utility>

#include "broker/core/broker_core.h"
#include "broker/schedule/mutation.h"

namespace bellis {

/// What it works on, as far as can be told from here; none when it holds nothing.
LeaseId BrokerCore::FirstOf(const Worker& worker) {
  return worker.held.empty() ? LeaseId() : worker.held.front().id;
}

/// The connection can do nothing more: for `reason`, unless it was given up for its block, which
/// was over its time. `excused` as in Blame.
void BrokerCore::LeasesOver(Worker& worker, const std::string& reason, bool excused) {
  const std::string loss = std::exchange(worker.loss_reason, "");
  if (loss.empty()) return ReturnLeases(worker, reason, LeaseId(), excused);
  ReturnLeases(worker, loss, FirstOf(worker), false);
}

/// The leases of the connection are over. The block `culprit` is a failed attempt; without one, the
/// only block that it holds. All else goes back as it was, those that it may have died of to be
/// handed out alone.
void BrokerCore::ReturnLeases(Worker& worker, const std::string& error, LeaseId culprit,
                              bool excused) {
  if (worker.held.empty()) return;
  jobs_.Queue(*worker.job);
  std::deque<Lease> held = std::exchange(worker.held, {});
  NoteUse(worker);
  if (held.size() == 1 || Mutated(Mutation::kFirstIsBlamed)) culprit = held.front().id;
  const auto blamed = std::find_if(held.begin(), held.end(),
                                   [&](const Lease& lease) { return lease.id == culprit; });
  std::optional<Lease> failed;
  if (blamed != held.end()) {
    failed = *blamed;
    held.erase(blamed);
  }
  for (const Lease& lease : held) {
    if (failed) {
      GiveBack(worker, lease);
    } else {
      Suspect(worker, lease, error);
    }
  }
  if (failed) Blame(worker, *failed, error, excused);
}

/// Whether a try at the block is not to count. Not for ever: the block itself may be what stops
/// brokers and kills launchers.
bool BrokerCore::Excuse(TaskRun& task, BlockIndex block) {
  constexpr uint32_t kTimesMax = 8;
  return ++task.attempts[block].excused <= kTimesMax;
}

/// `excused`: the end of its worker is not its doing, and it goes back as it was, too.
void BrokerCore::Blame(Worker& worker, const Lease& lease, const std::string& error, bool excused) {
  if (worker.duty != Duty::kWork) return Checked(worker, lease, false, error);
  if (excused && Excuse(worker.job->tasks[worker.task], lease.block)) {
    return GiveBack(worker, lease);
  }
  FailAttempt(*worker.job, worker.task, lease, worker.id, error);
}

/// What a place and its further connections held, when its process is gone with all that it had
/// started, is over. `working`: what the connections had noted.
void BrokerCore::ReturnAll(Worker& place, const std::string& how,
                           const std::vector<WorkingOn>& working) {
  std::vector<Worker*> all{&place};
  for (const WorkerId id : place.further) all.push_back(Find(id));
  const bool stopped = std::any_of(
      all.begin(), all.end(), [](const Worker* worker) { return !worker->loss_reason.empty(); });
  const bool excused = IsExcused(place);
  if (stopped || Mutated(Mutation::kFirstIsBlamed)) {
    for (Worker* worker : all) {
      // Stopped for the block of one connection: the others' are not to blame.
      if (stopped && worker->loss_reason.empty()) GiveBackAll(*worker);
      LeasesOver(*worker, how, excused);
    }
    return;
  }
  std::vector<std::pair<Worker*, Lease>> suspects;
  for (Worker* worker : all) {
    // More than one when a process took up the number of another one, which had not cleared its
    // note.
    std::set<LeaseId> noted;
    for (const WorkingOn& on : working) {
      if (on.worker == worker->id) noted.insert(on.lease);
    }
    for (const Lease& lease : worker->held) {
      if (noted.empty() || noted.contains(lease.id)) suspects.push_back({worker, lease});
    }
  }
  for (const auto& suspect : suspects) {
    std::erase_if(suspect.first->held,
                  [&](const Lease& held) { return held.id == suspect.second.id; });
    NoteUse(*suspect.first);
  }
  for (Worker* worker : all) GiveBackAll(*worker);
  if (suspects.empty()) return;
  jobs_.Queue(*place.job);
  if (suspects.size() == 1) return Blame(*suspects[0].first, suspects[0].second, how, excused);
  for (auto& [worker, lease] : suspects) Suspect(*worker, lease, how);
}

/// It may have ended the process, as others may: it is handed out alone from now on, until
/// something is known of it. A check that may have done so is not asked again: the answer no harms
/// nobody.
void BrokerCore::Suspect(Worker& worker, const Lease& lease, const std::string& error) {
  if (worker.duty == Duty::kCheck) return Checked(worker, lease, false, error);
  worker.job->tasks[worker.task].apart_for(worker.duty).insert(lease.block);
  GiveBack(worker, lease);
}

/// Whether its process works on a block that is set apart: then it gets nothing else.
bool BrokerCore::WorksApart(const TaskRun& task, const Worker& worker) const {
  const auto& apart = task.apart_for(worker.duty);
  if (apart.empty()) return false;
  const auto does = [&](const Worker& its) {
    return std::any_of(its.held.begin(), its.held.end(),
                       [&](const Lease& lease) { return apart.contains(lease.block); });
  };
  const Worker& place = PlaceOf(worker);
  return does(place) || std::any_of(place.further.begin(), place.further.end(),
                                    [&](WorkerId id) { return does(workers_.at(id)); });
}

/// A block that is set apart goes to a process that holds nothing.
bool BrokerCore::MayHoldNow(const TaskRun& task, const Worker& worker, BlockIndex block) const {
  if (!task.apart_for(worker.duty).contains(block)) return true;
  const Worker& place = PlaceOf(worker);
  return place.held.empty() &&
         std::all_of(place.further.begin(), place.further.end(),
                     [&](WorkerId id) { return workers_.at(id).held.empty(); });
}

/// The worker that has waited longest of those that may have the block beside what they hold; it is
/// first then. nullptr: there is none.
Worker* BrokerCore::FirstParkedFor(const TaskRun& task, Pool& pool, BlockIndex block) {
  for (size_t i = 0; i <= pool.parked.size(); ++i) {
    Worker* worker = FirstParked(pool);
    if (worker == nullptr) return nullptr;
    if (!WorksApart(task, *worker) && MayHoldNow(task, *worker, block)) return worker;
    pool.parked.pop_front();
    pool.parked.push_back(worker->id);
  }
  return nullptr;
}

}  // namespace bellis
