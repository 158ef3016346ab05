#include "broker/core/results.h"

#include <gtest/gtest.h>

#include "tests/broker/core/owners_fixture.h"

namespace bellis::test {
namespace {

class ResultsPart : public OwnersFixture {
 protected:
  ResultsPart() { Connect(worker_, kPeer); }

  /// The worker hands in its first lease.
  void Release(Worker& worker, BlockOutcome outcome, const std::string& error = "") {
    results_.TakeResult(worker, {worker.held.front().id, outcome, error});
  }
  TaskRun& task() { return job_.tasks[0]; }
  TaskSpec& spec() { return job_.spec.tasks[0]; }
  const BlockCounts& counts() { return job_.counts(0); }

  Job& job_ = Begin(TaskOf(8));
  Worker& worker_ = Launch(job_);
  Orders orders_{All()};
  Results results_{All(), &orders_};
};

TEST_F(ResultsPart, ABlockThatIsDoneCountsForItsLanguage) {
  HandOut(worker_);
  Pass(Duration::Millis(50));
  Release(worker_, BlockOutcome::kCompleted);
  EXPECT_EQ(counts().completed, 1u);
  EXPECT_EQ(task().languages[0].blocks, 1u);
  EXPECT_DOUBLE_EQ(task().languages[0].ms_total, 50);
}

TEST_F(ResultsPart, ABlockIsTriedAgainUntilItsRetriesAreUsedUp) {
  TaskSpec spec = TaskOf(1);
  spec.max_retries = 1;
  Job& job = Begin(spec);
  Worker& worker = External(job);
  Connect(worker, kOther);
  HandOut(worker);
  Release(worker, BlockOutcome::kFailed, "no space left");
  EXPECT_EQ(job.counts(0).ready, 1u);
  HandOut(worker);
  Release(worker, BlockOutcome::kFailed);
  EXPECT_EQ(job.counts(0).failed, 1u);
  ASSERT_EQ(job.tasks[0].failures.size(), 2u);
  EXPECT_EQ(job.tasks[0].failures[0].error, "no space left");
  EXPECT_EQ(job.tasks[0].failures[1].error, "no reason given");
  EXPECT_TRUE(job.tasks[0].attempts.empty()) << "nothing is kept of a block that has ended";
}

TEST_F(ResultsPart, ABlockThatIsReturnedHasNoFailedAttempt) {
  HandOut(worker_);
  Release(worker_, BlockOutcome::kReturned);
  EXPECT_EQ(counts().ready, 8u);
  EXPECT_TRUE(task().attempts.empty());
}

TEST_F(ResultsPart, AResultOfALeaseThatIsOverIsIgnored) {
  const Lease lease = HandOut(worker_);
  results_.TakeResult(worker_, {LeaseId(lease.id.value + 1)});
  EXPECT_EQ(counts().completed, 0u);
  worker_.loss_reason = "timed out";
  results_.TakeResult(worker_, {lease.id});
  EXPECT_EQ(counts().completed, 0u) << "it is being stopped for this block";
  EXPECT_EQ(counts().leased, 1u);
}

TEST_F(ResultsPart, ABlockThatWasNotDeliveredGoesBack) {
  const Lease lease = HandOut(worker_);
  HandOut(worker_);
  results_.ReturnUndelivered({kPeer, {lease.id}});
  EXPECT_EQ(counts().ready, 7u);
  EXPECT_EQ(worker_.held.size(), 1u);
}

TEST_F(ResultsPart, ABlockIsDoneWhenItsPostCheckSaysSo) {
  spec().post_check = WorkerGroup{{"check"}, 1, {}};
  const Lease lease = HandOut(worker_);
  Release(worker_, BlockOutcome::kCompleted);
  EXPECT_EQ(counts().completed, 0u);
  EXPECT_EQ(task().to_confirm, (std::deque<BlockIndex>{lease.block}));
  Worker& checker = External(job_, Duty::kPostCheck);
  results_.TakeAnswer(checker, lease, Verdict::kYes, "");
  EXPECT_EQ(counts().completed, 1u);
}

TEST_F(ResultsPart, ABlockThatItsPostCheckRejectsHasAFailedAttempt) {
  spec().post_check = WorkerGroup{{"check"}, 1, {}};
  const Lease lease = HandOut(worker_);
  Release(worker_, BlockOutcome::kCompleted);
  Worker& checker = External(job_, Duty::kPostCheck);
  results_.TakeAnswer(checker, lease, Verdict::kNo, "");
  EXPECT_EQ(counts().ready, 8u);
  EXPECT_EQ(task().attempts[lease.block].failed, 1u);
  EXPECT_EQ(task().failures[0].worker, worker_.id);
}

TEST_F(ResultsPart, AWorkerThatFailsAllItsBlocksIsReplaced) {
  for (uint32_t i = 0; i <= options_.worker_failures_max; ++i) {
    EXPECT_FALSE(worker_.is_leaving());
    HandOut(worker_);
    Release(worker_, BlockOutcome::kFailed);
  }
  EXPECT_EQ(SentTo<DrainMsg>(kPeer).size(), 1u);
}

TEST_F(ResultsPart, AWorkerThatFailsAsOthersDoStays) {
  task().tries = 20;
  task().tries_failed = 19;
  for (int i = 0; i < 8; ++i) {
    HandOut(worker_);
    Release(worker_, BlockOutcome::kFailed);
  }
  EXPECT_FALSE(worker_.is_leaving()) << "its blocks are to blame";
}

}  // namespace
}  // namespace bellis::test
