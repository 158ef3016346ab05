// How blocks end: the record of an end is durable before the frontier hears of it, so that nothing
// is leased that a crash of the broker would let run beside that block again.

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "broker/core/results.h"
#include "broker/schedule/mutation.h"

namespace bellis {

void Results::Do(const BlockIsDurable& done) {
  if (Job* job = jobs_.Find(done.job)) ApplyEnd(*job, done.task, done.block);
  AcknowledgeTo(done.worker, done.session, done.lease);
}

void Results::Do(const FailureIsDurable& failed) {
  if (Job* job = jobs_.Find(failed.job)) ApplyEnd(*job, failed.task, failed.block);
}

void Results::Do(const AttemptIsDurable& attempt) {
  AcknowledgeTo(attempt.worker, attempt.session, attempt.lease);
}

/// A worker has done the block.
void Results::RecordCompleted(Job& job, TaskIndex t, const Lease& lease, WorkerId worker,
                              const std::string& language, double ms) {
  if (durable_.kept()) {
    const auto us = static_cast<uint64_t>(std::llround(ms * 1000));
    PersistDone({job.number, t, lease.block, /*skipped=*/false, language, us});
  }
  AwaitEnd(job, t, lease, worker, Ending::kCompleted);
}

/// A checker has found the block's output in place.
void Results::RecordSkipped(Job& job, TaskIndex t, const Lease& lease, const Worker& checker) {
  PersistDone({job.number, t, lease.block, /*skipped=*/true, "", 0});
  AwaitEnd(job, t, lease, checker.id, Ending::kSkipped);
}

void Results::PersistDone(BlockDone done) {
  if (!Mutated(Mutation::kDoneForgotten)) durable_.Persist(std::move(done));
}

/// Records that a block is done. Blocks that depend on it or conflict with it are not leased before
/// the record is durable: otherwise a crash could make the broker lease the block again while they
/// run.
void Results::AwaitEnd(Job& job, TaskIndex t, const Lease& lease, WorkerId doer, Ending ending) {
  job.Touch(t);
  if (!durable_.kept()) return TellFrontier(job, t, lease.block, ending);
  job.tasks[t].uncommitted.Add(lease.block, ending);
  if (Mutated(Mutation::kCommitIgnored)) ApplyEnd(job, t, lease.block);
  const Worker* worker = roster_.Find(doer);
  const uint64_t session = worker != nullptr ? worker->session : 0;
  WhenDurable(BlockIsDurable{job.number, t, lease.block, doer, session, lease.id});
}

/// A block has failed for good, which frees the blocks that only conflict with it. They are not
/// leased before the failure is durable: otherwise a crash could make the broker try the failed
/// block again while they run.
void Results::RecordFailed(Job& job, TaskIndex t, BlockIndex block) {
  job.tasks[t].uncommitted.Add(block, Ending::kFailed);
  if (Mutated(Mutation::kFailureEarly)) ApplyEnd(job, t, block);
  WhenDurable(FailureIsDurable{job.number, t, block});
}

/// The end of the block is durable.
void Results::ApplyEnd(Job& job, TaskIndex t, BlockIndex block) {
  if (!job.running()) return;
  const auto ending = job.tasks[t].uncommitted.Take(block);
  if (ending) TellFrontier(job, t, block, *ending);  // else its task was given up meanwhile
}

/// Tells the frontier how the block has ended.
void Results::TellFrontier(Job& job, TaskIndex t, BlockIndex block, Ending ending) {
  if (!job.running()) return;
  switch (ending) {
    case Ending::kCompleted: job.frontier->Complete({t, block}); break;
    case Ending::kSkipped: job.frontier->Skip({t, block}); break;
    case Ending::kFailed: job.frontier->Fail({t, block}); break;
  }
  jobs_.Touch(job, t);
}

/// The message by which this Step tells the worker that its results are durable. nullptr: the
/// worker need not be told, since it does not keep its results.
CommittedMsg* Results::AnswerTo(Worker& worker) {
  if (!durable_.kept() || worker.session == 0 || !worker.peer.set()) return nullptr;
  if (worker.committed_step != turn_.step()) {
    worker.committed_step = turn_.step();
    worker.committed_slot = turn_.SendCommitted(worker.peer);
  }
  return &std::get<CommittedMsg>(turn_.out().sends[worker.committed_slot].message);
}

void Results::AcknowledgeKept(Worker& worker, LeaseId lease) {
  if (CommittedMsg* answer = AnswerTo(worker)) answer->leases.push_back(lease);
}

void Results::AcknowledgeDropped(Worker& worker, LeaseId lease) {
  if (CommittedMsg* answer = AnswerTo(worker)) answer->dropped.push_back(lease);
}

/// The result is durable. Writing took a while, so another process may have taken the worker's
/// place.
void Results::AcknowledgeTo(WorkerId id, uint64_t session, LeaseId lease) {
  Worker* worker = roster_.Find(id);
  if (worker != nullptr && worker->session == session) AcknowledgeKept(*worker, lease);
}

}  // namespace bellis
