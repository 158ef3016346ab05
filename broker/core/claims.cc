#include "broker/core/claims.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/schedule/mutation.h"

namespace bellis {

void Claims::EndRecovering(Worker& worker) {
  if (roster_.EndRecovering(worker)) CountClaims(*worker.job, worker.task);
}

/// All workers have said what they hold, so the results that were handed in meanwhile count.
void Claims::CountClaims(Job& job, TaskIndex t) {
  for (const auto& [block, claim] : std::exchange(job.tasks[t].claims, {})) {
    if (claim.result && job.running() && !job.tasks[t].closed) results_.CountResult(job, t, claim);
  }
}

/// A worker of an earlier broker says that it holds a block, or has a result for it.
bool Claims::ClaimBlock(Worker& worker, const HeldLease& held) {
  Job& job = *worker.job;
  TaskRun& task = job.tasks[worker.task];
  if (!held.lease.set() || held.lease > durable_.last_lease()) return false;
  const auto tried = task.attempts.find(held.index);
  if (tried != task.attempts.end() && held.attempt <= tried->second.failed) return false;
  const auto before = task.claims.find(held.index);
  const bool out = before != task.claims.end() && IsOut(before->second);
  if (out && before->second.lease.id.value >= held.lease.value) return false;
  if (out) {
    DropClaim(before->second);
  } else if (!MakeWay(job, worker.task, held) || !job.frontier->Claim({worker.task, held.index})) {
    return false;
  }
  const Lease lease{held.lease, held.index, std::max(1u, held.attempt), turn_.now()};
  task.claims[held.index] = {worker.id, worker.session, 0, lease, 0, std::nullopt};
  worker.held.push_back(lease);
  roster_.NoteUse(worker);
  if (worker.held.size() == 1) roster_.StartBlock(worker);
  return true;
}

/// `held` is the lease of a block that excludes other blocks. Earlier leases of those blocks were
/// over when it was given, so their claims are dropped, even where a result was handed in. False: a
/// later lease excludes `held` itself.
bool Claims::MakeWay(Job& job, TaskIndex t, const HeldLease& held) {
  auto& claims = job.tasks[t].claims;
  if (held.index >= job.counts(t).blocks) return false;
  while (const auto excluded = job.frontier->LeaseInTheWay({t, held.index})) {
    const auto other = claims.find(*excluded);
    if (other == claims.end() || other->second.lease.id.value >= held.lease.value) return false;
    DropClaim(other->second);
    claims.erase(other);
    job.frontier->Requeue({t, *excluded});
  }
  return true;
}

bool Claims::IsOut(const Claim& claim) const {
  if (claim.result) return true;
  const Worker* worker = roster_.Find(claim.worker);
  if (worker == nullptr) return false;
  const auto& held = worker->held;
  return std::any_of(held.begin(), held.end(),
                     [&](const Lease& lease) { return lease.id == claim.lease.id; });
}

/// A later lease of the same block was claimed. The worker of this claim does not work on the block
/// any more, because the later lease was given when this one was over.
void Claims::DropClaim(const Claim& claim) {
  Worker* worker = roster_.Find(claim.worker);
  if (worker == nullptr) return;
  if (claim.result && worker->session == claim.session) {
    return results_.AcknowledgeDropped(*worker, claim.lease.id);
  }
  const bool first = !worker->held.empty() && worker->held.front().id == claim.lease.id;
  worker->held.remove_if([&](const Lease& lease) { return lease.id == claim.lease.id; });
  roster_.NoteUse(*worker);
  if (first) roster_.StartBlock(*worker);
}

std::vector<LeaseId> Claims::TakeUp(Worker& worker, const std::vector<HeldLease>& said) {
  Job& job = *worker.job;
  if (worker.recovering && worker.duty == Duty::kWork && job.running() &&
      !job.tasks[worker.task].closed) {
    for (const HeldLease& held : said) {
      if (ClaimBlock(worker, held)) continue;
      turn_.Log(
          LogLevel::kInfo,
          fmt::format("worker {} holds lease {} of block index {}, which is no longer its own",
                      worker.id.value, held.lease.value, held.index));
    }
  }
  const auto listed = [&said](LeaseId id) {
    return std::any_of(said.begin(), said.end(),
                       [id](const HeldLease& held) { return held.lease == id; });
  };
  // A lease that the worker does not list was on its way to the worker when the connection broke.
  Ring<Lease> kept;
  const bool first_lost = !worker.held.empty() && !listed(worker.held.front().id);
  for (const Lease& lease : std::exchange(worker.held, {})) {
    if (listed(lease.id)) {
      kept.push_back(lease);
    } else {
      worker.held.clear();
      results_.GiveBack(worker, lease);
    }
  }
  worker.held = std::move(kept);
  roster_.NoteUse(worker);
  if (first_lost) roster_.StartBlock(worker);
  std::vector<LeaseId> still;
  for (const Lease& lease : worker.held) still.push_back(lease.id);
  return still;
}

/// Leases the blocks that workers still hold in the rebuilt `frontier`; see the header for the
/// result.
std::optional<BlockIndex> Claims::ClaimWhatIsOut(const Job& job, TaskIndex t,
                                                 Frontier& frontier) const {
  const TaskRun& task = job.tasks[t];
  std::vector<BlockIndex> out;
  for (const WorkerId id : task.workers) {
    const Worker& worker = roster_.At(id);
    if (worker.duty != Duty::kWork) continue;
    for (const Lease& lease : worker.held) out.push_back(lease.block);
  }
  for (const auto& [block, handed_in] : task.claims) {
    if (handed_in.result) out.push_back(block);
  }
  for (const auto& [block, done] : task.unconfirmed) out.push_back(block);
  for (const auto& [block, ending] : task.uncommitted) {
    if (ending == Ending::kCompleted) out.push_back(block);
  }
  for (const auto& [begin, end] : task.uncommitted_runs) {
    for (BlockIndex block = begin; block < end; ++block) out.push_back(block);
  }
  for (const BlockIndex block : out) {
    if (!frontier.Claim({t, block})) return block;
  }
  return std::nullopt;
}

}  // namespace bellis
