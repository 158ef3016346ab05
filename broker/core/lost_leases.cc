#include "broker/core/lost_leases.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/schedule/mutation.h"

namespace bellis {

/// What it works on, as far as can be told from here; none when it holds nothing.
LeaseId LostLeases::FirstOf(const Worker& worker) {
  return worker.held.empty() ? LeaseId() : worker.held.front().id;
}

void LostLeases::End(Worker& worker, const std::string& reason, Fault fault) {
  const std::string loss = std::exchange(worker.loss_reason, "");
  if (loss.empty()) return ReturnLeases(worker, reason, LeaseId(), fault);
  ReturnLeases(worker, loss, FirstOf(worker), Fault::kItsOwn);
}

/// The leases of the connection are over. The block `culprit` is a failed attempt; without one, the
/// only block that it holds. All else goes back as it was, those that it may have died of to be
/// handed out alone.
void LostLeases::ReturnLeases(Worker& worker, const std::string& error, LeaseId culprit,
                              Fault fault) {
  if (worker.held.empty()) return;
  jobs_.Queue(*worker.job);
  std::deque<Lease> held = std::exchange(worker.held, {});
  roster_.NoteUse(worker);
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
      results_.GiveBack(worker, lease);
    } else {
      Suspect(worker, lease, error);
    }
  }
  if (failed) Blame(worker, *failed, error, fault);
}

/// Whether this attempt at the block does not count. A block is excused a few times only: it may
/// itself be what stops brokers and kills launchers.
bool LostLeases::Excuse(TaskRun& task, BlockIndex block) {
  constexpr uint32_t kTimesMax = 8;
  return ++task.attempts[block].excused <= kTimesMax;
}

/// The block's worker died of it. Where that is not the worker's fault, the block goes back as it
/// was.
void LostLeases::Blame(Worker& worker, const Lease& lease, const std::string& error, Fault fault) {
  if (worker.duty != Duty::kWork) return results_.TakeAnswer(worker, lease, Verdict::kNo, error);
  if (fault == Fault::kNotItsOwn && Excuse(worker.job->tasks[worker.task], lease.block)) {
    return results_.GiveBack(worker, lease);
  }
  results_.FailAttempt(*worker.job, worker.task, lease, worker.id, error);
}

void LostLeases::EndAll(Worker& place, const std::string& how,
                        const std::vector<WorkingOn>& working) {
  std::vector<Worker*> all{&place};
  for (const WorkerId id : place.further) all.push_back(roster_.Find(id));
  const bool stopped = std::any_of(
      all.begin(), all.end(), [](const Worker* worker) { return !worker->loss_reason.empty(); });
  const Fault fault = roster_.FaultOf(place);
  if (stopped || Mutated(Mutation::kFirstIsBlamed)) {
    for (Worker* worker : all) {
      // Stopped for the block of one connection: the others' are not to blame.
      if (stopped && worker->loss_reason.empty()) GiveBackAll(*worker);
      End(*worker, how, fault);
    }
    return;
  }
  std::vector<std::pair<Worker*, Lease>> suspects;
  for (Worker* worker : all) {
    // There is more than one note when a process took up the number of another one, which had not
    // cleared its own.
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
    roster_.NoteUse(*suspect.first);
  }
  for (Worker* worker : all) GiveBackAll(*worker);
  if (suspects.empty()) return;
  jobs_.Queue(*place.job);
  if (suspects.size() == 1) return Blame(*suspects[0].first, suspects[0].second, how, fault);
  for (auto& [worker, lease] : suspects) Suspect(*worker, lease, how);
}

/// The block may have ended the process, as others may: it is handed out alone from now on, until
/// something is known of it. A check that may have done so is not asked again: the answer no harms
/// nobody.
void LostLeases::Suspect(Worker& worker, const Lease& lease, const std::string& error) {
  if (worker.duty == Duty::kCheck) return results_.TakeAnswer(worker, lease, Verdict::kNo, error);
  worker.job->tasks[worker.task].apart_for(worker.duty).insert(lease.block);
  results_.GiveBack(worker, lease);
}

void LostLeases::GiveBackAll(Worker& worker) {
  if (worker.held.empty()) return;
  jobs_.Queue(*worker.job);
  for (const Lease& lease : std::exchange(worker.held, {})) results_.GiveBack(worker, lease);
  roster_.NoteUse(worker);
}

}  // namespace bellis
