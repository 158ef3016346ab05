// What must be on disk before something else may happen: records, and what waits for them.

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "broker/core/broker_core.h"
#include "broker/schedule/mutation.h"

namespace bellis {
namespace {

/// Completed blocks that are not durable; with more, no block is handed out.
constexpr size_t kUncommittedMax = 1 << 20;

}  // namespace

void BrokerCore::Persist(Record record) {
  if (!options_.durable) return;
  out_->records.push_back(std::move(record));
  ++records_;
}

/// To be done when all records so far are durable.
void BrokerCore::WhenDurable(Deferred deferred) {
  if (records_ == committed_) return Do(deferred);
  waiting_.emplace_back(records_, std::move(deferred));
}

/// It is heard again when all records so far are durable, if it is there then.
void BrokerCore::HearLater(PeerId peer, const HelloMsg& hello) {
  greeting_.insert(peer);
  WhenDurable(HelloAgain{peer, hello});
}

void BrokerCore::OnCommitted(const Committed& committed) {
  committed_ = committed.records;
  while (!waiting_.empty() && waiting_.front().first <= committed.records) {
    const Deferred deferred = std::move(waiting_.front().second);
    waiting_.pop_front();
    Do(deferred);
  }
}

void BrokerCore::Do(const Deferred& deferred) {
  if (const auto* done = std::get_if<BlockIsDurable>(&deferred)) {
    const auto found = jobs_.find(done->job);
    if (found != jobs_.end()) FinishBlock(*found->second, done->task, done->block);
    AcknowledgeTo(done->worker, done->session, done->lease);
  } else if (const auto* failed = std::get_if<FailureIsDurable>(&deferred)) {
    const auto found = jobs_.find(failed->job);
    if (found != jobs_.end()) FinishBlock(*found->second, failed->task, failed->block);
  } else if (const auto* acknowledged = std::get_if<AttemptIsDurable>(&deferred)) {
    AcknowledgeTo(acknowledged->worker, acknowledged->session, acknowledged->lease);
  } else if (const auto* answer = std::get_if<Answer>(&deferred)) {
    if (peers_.count(answer->to) > 0) SendTo(answer->to, answer->message);
  } else if (const auto* session = std::get_if<SessionIsDurable>(&deferred)) {
    if (Worker* worker = Find(session->worker)) MayHaveBlocks(*worker);
  } else if (const auto* again = std::get_if<HelloAgain>(&deferred)) {
    if (greeting_.erase(again->from) > 0) OnHello(again->from, again->hello);
  } else {
    marks_ = std::get<Marks>(deferred);
    TouchAll();
  }
}

/// A block is done, by a worker or, `skipped`, by the word of a checker. What depends on it, or
/// conflicts with it, is not leased before it is durable: after a crash, the block would be leased
/// again beside them.
void BrokerCore::BlockIsDone(Job& job, TaskIndex t, const Lease& lease, WorkerId worker,
                             bool skipped, const std::string& language, double ms) {
  const BlockIndex block = lease.block;
  if (options_.durable && !Mutated(Mutation::kDoneForgotten)) {
    const auto us = static_cast<uint64_t>(std::llround(ms * 1000));
    Persist(BlockDone{job.number, t, block, skipped, language, us});
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
  Queue(job);
}

/// The worker need not hand in this result again: it is kept, or `dropped`, the lease being over.
void BrokerCore::Acknowledge(Worker& worker, LeaseId lease, bool dropped) {
  if (!options_.durable || worker.session == 0 || !worker.peer.set()) return;
  if (worker.committed_step != step_) {
    worker.committed_step = step_;
    worker.committed_slot = out_->sends.size();
    SendTo(worker.peer, CommittedMsg{});
  }
  auto& answer = std::get<CommittedMsg>(out_->sends[worker.committed_slot].message);
  (dropped ? answer.dropped : answer.leases).push_back(lease);
}

/// The same, when that took a while: another process may be in its place.
void BrokerCore::AcknowledgeTo(WorkerId id, uint64_t session, LeaseId lease) {
  Worker* worker = Find(id);
  if (worker != nullptr && worker->session == session) Acknowledge(*worker, lease);
}

/// Sets ids aside before those that are run out.
void BrokerCore::SetIdsAside() {
  if (!options_.durable) return;
  const bool leases = last_lease_ + options_.leases_aside / 2 >= marks_asked_.lease;
  const bool workers = last_worker_ + options_.workers_aside / 2 >= marks_asked_.worker;
  if (!leases && !workers) return;
  marks_asked_ = {last_lease_ + options_.leases_aside, last_worker_ + options_.workers_aside};
  Persist(marks_asked_);
  WhenDurable(marks_asked_);
}

bool BrokerCore::HasLeaseIds() const {
  return !options_.durable || last_lease_ + 1 < marks_.lease || Mutated(Mutation::kMarkIgnored);
}

bool BrokerCore::HasWorkerIds() const {
  return !options_.durable || last_worker_ + 1 < marks_.worker;
}

/// Why no block at all is handed out at the moment; empty when it is.
std::string BrokerCore::NothingIsLeasedBecause() const {
  if (!store_problem_.empty()) return "the state directory: " + store_problem_;
  if (waiting_.size() >= kUncommittedMax) return "the disk does not keep up";
  if (!HasLeaseIds()) return "the next lease ids are not on disk yet";
  return "";
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
  if (trouble.problem.empty() && !store_problem_.empty()) {
    Log(LogLevel::kInfo, "the state directory can be written again");
    TouchAll();
  } else if (!trouble.problem.empty() && store_problem_.empty()) {
    Log(LogLevel::kError,
        "no block is handed out until the state directory can be written: " + trouble.problem);
  }
  store_problem_ = trouble.problem;
}

void BrokerCore::TouchAll() {
  for (auto& [number, job] : jobs_) {
    if (!job->running()) continue;
    for (TaskIndex t = 0; t < job->tasks.size(); ++t) job->Touch(t);
    Queue(*job);
  }
}

}  // namespace bellis
