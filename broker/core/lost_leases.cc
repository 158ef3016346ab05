#include "broker/core/lost_leases.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/schedule/mutation.h"

namespace bellis {

/// The lease that the worker works on, as far as the broker can tell: the first that it holds.
LeaseId LostLeases::FirstOf(const Worker& worker) {
  return worker.held.empty() ? LeaseId() : worker.held.front().id;
}

void LostLeases::End(Worker& worker, const std::string& reason, Fault fault) {
  const std::string loss = std::exchange(worker.loss_reason, "");
  if (loss.empty()) return ReturnLeases(worker, reason, LeaseId(), fault);
  ReturnLeases(worker, loss, FirstOf(worker), Fault::kItsOwn);
}

/// Ends the leases of the connection. The block of lease `culprit` has a failed attempt, or the
/// only block that the connection holds. If that is neither, each block may be the cause, and is
/// set apart.
void LostLeases::ReturnLeases(Worker& worker, const std::string& error, LeaseId culprit,
                              Fault fault) {
  if (worker.held.empty()) return;
  jobs_.Queue(*worker.job);
  Ring<Lease> held = std::exchange(worker.held, {});
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

/// Whether this attempt at the block does not count. A block is excused a few times only, because
/// the block itself may be what makes brokers stop and kills launchers.
bool LostLeases::Excuse(TaskRun& task, BlockIndex block) {
  constexpr uint32_t kTimesMax = 8;
  return ++task.attempts[block].excused <= kTimesMax;
}

/// The worker died while it worked on this block. Unless the broker or a launcher caused that, the
/// attempt has failed.
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
      // The process was stopped for the block of one connection; blocks of other connections are
      // not to blame.
      if (stopped && worker->loss_reason.empty()) GiveBackAll(*worker);
      End(*worker, how, fault);
    }
    return;
  }
  std::vector<std::pair<Worker*, Lease>> suspects;
  for (Worker* worker : all) {
    // There may be several notes, if a process took over the number of another one that had not
    // cleared its note.
    std::set<LeaseId> noted;
    for (const WorkingOn& on : working) {
      if (on.worker == worker->id) noted.insert(on.lease);
    }
    for (const Lease& lease : worker->held) {
      if (noted.empty() || noted.contains(lease.id)) suspects.push_back({worker, lease});
    }
  }
  for (const auto& suspect : suspects) {
    suspect.first->held.remove_if([&](const Lease& held) { return held.id == suspect.second.id; });
    roster_.NoteUse(*suspect.first);
  }
  for (Worker* worker : all) GiveBackAll(*worker);
  if (suspects.empty()) return;
  jobs_.Queue(*place.job);
  if (suspects.size() == 1) return Blame(*suspects[0].first, suspects[0].second, how, fault);
  for (auto& [worker, lease] : suspects) Suspect(*worker, lease, how);
}

/// This block may have ended the process, but other blocks may have, too. It is set apart: handed
/// out alone, until its outcome is known. A check of the block is not repeated, since the answer no
/// is safe.
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
