#pragma once

// Results of blocks, on their way from the worker to the frontier.
//
//     TakeResult       a worker hands a lease back
//       CountResult the result takes effect: a failed attempt, or a block that is done
//         CompleteBlock  ... and confirmed, if the task has a post_check
//           Record... the block's end is recorded, and waits for the disk
//             ApplyEnd the frontier learns of it: blocks that depended on this one may be ready

#include <cstdint>
#include <string>

#include "broker/core/core_options.h"
#include "broker/core/durable.h"
#include "broker/core/job_table.h"
#include "broker/core/orders.h"
#include "broker/core/owners.h"
#include "broker/core/peer_table.h"
#include "broker/core/roster.h"
#include "broker/core/turn.h"

namespace bellis {

/// A checker's answer: whether the block is done (check), or is right (post_check).
enum class Verdict : uint8_t { kYes, kNo };

/// Owns nothing. Borrows, and may change: the attempts, ends, checks and failures of TaskRun, the
/// frontier of a Job; Worker::held (a lease that is handed back), and its tries; Durable (records
/// of ends); the Turn; Orders (a worker that fails too often is drained). Invariant: a block is in
/// TaskRun::uncommitted from when its end is recorded until the frontier learns of it.
class Results {
 public:
  Results(const Owners& own, Orders* orders)
      : options_(own.options),
        turn_(own.turn),
        durable_(own.durable),
        jobs_(own.jobs),
        peers_(own.peers),
        roster_(own.roster),
        orders_(*orders) {}

  // ---- results ----

  /// The worker hands one lease back.
  void TakeResult(Worker& worker, const BlockResult& result);
  /// The worker hands in a run of leases, all completed.
  void TakeRun(Worker& worker, const LeaseRun& run);
  /// A result takes effect that no other lease of the block can contradict any more.
  void CountResult(Job& job, TaskIndex task, const Claim& done);
  /// Takes a checker's answer. An `error` says what went wrong during the check, and counts as no.
  void TakeAnswer(Worker& checker, const Lease& lease, Verdict verdict, const std::string& error);
  /// A lease that was removed from `held` ended in failure: the block is retried, or has failed.
  void FailAttempt(Job& job, TaskIndex task, const Lease& lease, WorkerId worker,
                   const std::string& error);
  /// A lease ended without a result: the block is as it was before.
  void GiveBack(Worker& worker, const Lease& lease);
  /// Blocks of leases that were not delivered go back as they were.
  void ReturnUndelivered(const PeerGone& gone);
  /// All blocks that workers and checkers of the task hold are ready again, or are forgotten with
  /// the task.
  void TakeBackAll(Job& job, TaskIndex task);

  // ---- what waited for the disk ----

  void Do(const BlockIsDurable& done);
  void Do(const RunIsDurable& done);
  void Do(const FailureIsDurable& failed);
  void Do(const AttemptIsDurable& attempt);
  /// Tells the worker that it need not hand in this result again: the lease was over when the
  /// result came.
  void AcknowledgeDropped(Worker& worker, LeaseId lease);

 private:
  void CompleteBlock(Job& job, TaskIndex task, const Lease& lease, WorkerId worker,
                     size_t language_slot, double ms);
  // block_ends.cc
  template <typename End>
  void WhenDurable(const End& end) {
    if (durable_.AllCommitted()) return Do(end);
    durable_.Await(end);
  }
  void RecordCompleted(Job& job, TaskIndex task, const Lease& lease, WorkerId worker,
                       const std::string& language, double ms);
  void RecordSkipped(Job& job, TaskIndex task, const Lease& lease, const Worker& checker);
  void RecordFailed(Job& job, TaskIndex task, BlockIndex block);
  void PersistDone(BlockDone done);
  void AwaitEnd(Job& job, TaskIndex task, const Lease& lease, WorkerId doer, Ending ending);
  void ApplyEnd(Job& job, TaskIndex task, BlockIndex block);
  void TellFrontier(Job& job, TaskIndex task, BlockIndex block, Ending ending);
  CommittedMsg* AnswerTo(Worker& worker);
  void AcknowledgeKept(Worker& worker, LeaseId lease);
  void AcknowledgeTo(WorkerId worker, uint64_t session, LeaseId lease);
  // result_runs.cc
  bool MayCompleteFirst(const Worker& worker, const LeaseRun& run) const;
  void CompleteFirst(Worker& worker, uint32_t count);
  void RecordRun(const Worker& worker, LeaseId lease, BlockRun run, double ms);
  void ApplyRun(Job& job, TaskIndex task, BlockIndex begin);
  // failing.cc
  void CountFailure(Job& job, TaskIndex task, std::string which);
  void EndFailureRow(Job& job, TaskIndex task);
  void Succeeded(const Worker& worker);
  void CountCompletedTries(Worker& worker, uint64_t blocks);
  void CountFailedTry(Worker& worker);
  bool FailsMoreThanOthers(const Worker& worker) const;

  // Borrowed.
  const CoreOptions& options_;
  Turn& turn_;
  Durable& durable_;
  JobTable& jobs_;
  PeerTable& peers_;
  Roster& roster_;
  Orders& orders_;
};

}  // namespace bellis
