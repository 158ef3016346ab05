// Blame in the model: which block a lost worker may have died of, and what follows.

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "tests/sim/model.h"

namespace bellis::sim {

bool& Model::Apart(Block& block, Duty duty) {
  return duty == Duty::kPostCheck ? block.confirmed_apart : block.apart;
}

void Model::GiveBackHeld(Worker& worker) {
  for (const Held& held : std::exchange(worker.held, {})) GiveBack(worker, held.block);
}

/// A connection has ended. If it held a single block, that block has a failed attempt, or the
/// answer no. If it held several, all of them are in doubt, unless the first one timed out.
void Model::ReturnHeld(WorkerId id, Worker& worker, bool first_is_known) {
  if (worker.held.empty()) return;
  std::deque<Held> held = std::exchange(worker.held, {});
  if (held.size() > 1 && !first_is_known) return InDoubt({{id, held}});
  for (size_t i = 1; i < held.size(); ++i) GiveBack(worker, held[i].block);
  Answered(id, worker, held.front().block, false);
}

/// The worker may have died of any of these blocks: each is set apart from now on. A check is
/// answered no.
void Model::InDoubt(const std::map<WorkerId, std::deque<Held>>& suspects) {
  for (const auto& [id, blocks] : suspects) {
    Worker& worker = workers_.at(id);
    for (const Held& held : blocks) {
      if (worker.duty == Duty::kCheck) {
        Answered(id, worker, held.block, false);
        continue;
      }
      Apart(jobs_[worker.job].blocks[held.block], worker.duty) = true;
      GiveBack(worker, held.block);
    }
  }
}

std::vector<WorkerId> Model::ConnectionsOf(WorkerId place) const {
  std::vector<WorkerId> all{place};
  for (const auto& [id, worker] : workers_) {
    if (worker.starter == place) all.push_back(id);
  }
  return all;
}

/// Takes back the blocks that the connections of an ended process held. `working`: the blocks that
/// they had noted for their launcher. `excused`: the launcher ended the process, so the block goes
/// back without a failed attempt, a bounded number of times.
void Model::ReturnAll(WorkerId place, const std::vector<WorkingOn>& working, bool excused) {
  constexpr uint32_t kExcusedMax = 8;
  const std::vector<WorkerId> all = ConnectionsOf(place);
  const bool stopped =
      std::any_of(all.begin(), all.end(), [&](WorkerId id) { return workers_.at(id).lost; });
  std::map<WorkerId, std::deque<Held>> suspects;
  size_t count = 0;
  for (const WorkerId id : all) {
    Worker& worker = workers_.at(id);
    if (stopped) {  // one connection timed out: the blocks of the others go back as they were
      if (!worker.lost) GiveBackHeld(worker);
      ReturnHeld(id, worker, /*first_is_known=*/true);
      continue;
    }
    // More than one, when a process took up the number of another that had not cleared its note.
    std::set<LeaseId> noted;
    for (const WorkingOn& on : working) {
      if (on.worker == id) noted.insert(on.lease);
    }
    for (const Held& held : std::exchange(worker.held, {})) {
      if (!noted.empty() && !noted.contains(held.lease)) {
        GiveBack(worker, held.block);
        continue;
      }
      suspects[id].push_back(held);
      ++count;
    }
  }
  if (count != 1) return InDoubt(suspects);
  const WorkerId id = suspects.begin()->first;
  const Worker& worker = workers_.at(id);
  const size_t position = suspects.begin()->second.front().block;
  if (excused && worker.duty == Duty::kWork &&
      ++jobs_[worker.job].blocks[position].excused <= kExcusedMax) {
    return GiveBack(worker, position);
  }
  Answered(id, worker, position, false);
}

/// A block that is set apart must be the only block that its process has.
void Model::CheckAlone(WorkerId id, size_t position) {
  const Worker& worker = workers_.at(id);
  if (worker.duty == Duty::kCheck) return;
  Job& job = jobs_[worker.job];
  bool alone = Apart(job.blocks[position], worker.duty);
  for (const WorkerId one : ConnectionsOf(worker.starter.set() ? worker.starter : id)) {
    const Worker& its = workers_.at(one);
    for (const Held& held : its.held) {
      alone |= Apart(job.blocks[held.block], worker.duty);
      Require(!alone, "a block that a lost worker may have died of is handed out alone", [&] {
        return fmt::format("{} and {}", NameOf(job, position), NameOf(job, held.block));
      });
    }
  }
}

}  // namespace bellis::sim
