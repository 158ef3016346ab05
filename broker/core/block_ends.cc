// How blocks end: the record of an end is durable before the frontier hears of it, so that nothing
// is leased that a crash of the broker would let run beside that block again.

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "broker/core/broker_core.h"
#include "broker/core/overload.h"
#include "broker/schedule/mutation.h"

namespace bellis {

/// Done now, or when all records so far are durable.
void BrokerCore::WhenDurable(AfterCommit what) {
  if (durable_.AllCommitted()) return Do(std::move(what));
  durable_.Await(std::move(what));
}

void BrokerCore::OnCommitted(const Committed& committed) {
  durable_.Commit(committed);
  while (std::optional<AfterCommit> next = durable_.Next()) Do(*std::move(next));
}

void BrokerCore::Do(AfterCommit what) {
  std::visit(Overload{[this](const BlockIsDurable& done) {
                        if (Job* job = jobs_.Find(done.job))
                          FinishBlock(*job, done.task, done.block);
                        AcknowledgeTo(done.worker, done.session, done.lease);
                      },
                      [this](const FailureIsDurable& failed) {
                        if (Job* job = jobs_.Find(failed.job)) {
                          FinishBlock(*job, failed.task, failed.block);
                        }
                      },
                      [this](const AttemptIsDurable& attempt) {
                        AcknowledgeTo(attempt.worker, attempt.session, attempt.lease);
                      },
                      [this](const SessionIsDurable& session) {
                        if (Worker* worker = Find(session.worker)) MayHaveBlocks(*worker);
                      },
                      [this](AnswerIsDurable& answer) {
                        if (peers_.count(answer.to) > 0)
                          turn_.Send(answer.to, std::move(answer.message));
                      },
                      [this](const HelloIsDurable& again) { OnHello(again.from, again.hello); },
                      [this](const MarksAreDurable& marks) {
                        durable_.Take(marks);
                        jobs_.TouchAll();
                      }},
             what);
}

/// A block is done, by a worker or, `skipped`, by the word of a checker. What depends on it, or
/// conflicts with it, is not leased before it is durable: after a crash, the block would be leased
/// again beside them.
void BrokerCore::BlockIsDone(Job& job, TaskIndex t, const Lease& lease, WorkerId worker,
                             bool skipped, const std::string& language, double ms) {
  const BlockIndex block = lease.block;
  if (durable_.kept() && !Mutated(Mutation::kDoneForgotten)) {
    const auto us = static_cast<uint64_t>(std::llround(ms * 1000));
    durable_.Persist(BlockDone{job.number, t, block, skipped, language, us});
  }
  job.tasks[t].uncommitted.emplace(
      block, skipped ? TaskRun::Ending::kSkipped : TaskRun::Ending::kCompleted);
  job.Touch(t);
  if (Mutated(Mutation::kCommitIgnored)) FinishBlock(job, t, block);
  const Worker* doer = Find(worker);
  WhenDurable(
      BlockIsDurable{job.number, t, block, worker, doer != nullptr ? doer->session : 0, lease.id});
}

/// A block has failed for good. What only conflicts with it is free then, and is not leased before
/// the failure is durable: after a crash, the block would be tried again beside it.
void BrokerCore::BlockHasFailed(Job& job, TaskIndex t, BlockIndex block) {
  job.tasks[t].uncommitted.emplace(block, TaskRun::Ending::kFailed);
  if (Mutated(Mutation::kFailureEarly)) FinishBlock(job, t, block);
  WhenDurable(FailureIsDurable{job.number, t, block});
}

void BrokerCore::FinishBlock(Job& job, TaskIndex t, BlockIndex block) {
  if (!job.running()) return;
  const auto entry = job.tasks[t].uncommitted.extract(block);
  if (entry.empty()) return;  // its task was given up meanwhile
  switch (entry.mapped()) {
    case TaskRun::Ending::kCompleted: job.frontier->Complete({t, block}); break;
    case TaskRun::Ending::kSkipped: job.frontier->Skip({t, block}); break;
    case TaskRun::Ending::kFailed: job.frontier->Fail({t, block}); break;
  }
  job.Touch(t);
  jobs_.Queue(job);
}

/// The worker need not hand in this result again: it is kept, or `dropped`, the lease being over.
void BrokerCore::Acknowledge(Worker& worker, LeaseId lease, bool dropped) {
  if (!durable_.kept() || worker.session == 0 || !worker.peer.set()) return;
  if (worker.committed_step != turn_.step()) {
    worker.committed_step = turn_.step();
    worker.committed_slot = turn_.out().sends.size();
    turn_.Send(worker.peer, CommittedMsg{});
  }
  auto& answer = std::get<CommittedMsg>(turn_.out().sends[worker.committed_slot].message);
  (dropped ? answer.dropped : answer.leases).push_back(lease);
}

/// The same, when that took a while: another process may be in its place.
void BrokerCore::AcknowledgeTo(WorkerId id, uint64_t session, LeaseId lease) {
  Worker* worker = Find(id);
  if (worker != nullptr && worker->session == session) Acknowledge(*worker, lease);
}

/// Why no block of this task is, whatever there is to do; empty when some may be.
std::string BrokerCore::TaskHandsOutNothingBecause(const Job& job, TaskIndex t) const {
  if (job.spec.tasks[t].paused) return "the task is paused";
  if (std::string over = TooManyFailures(job, t); !over.empty()) return over;
  const uint64_t unknown = job.tasks[t].recovering;
  if (unknown == 0) return "";
  return fmt::format(
      "{} workers that the broker knew before it was started again may hold blocks, "
      "and have not said so yet",
      unknown);
}

void BrokerCore::OnStoreTrouble(const StoreTrouble& trouble) {
  if (durable_.TakeTrouble(trouble)) jobs_.TouchAll();
}

}  // namespace bellis
