#include "broker/core/lost_leases.h"

#include <gtest/gtest.h>

#include "tests/broker/core/owners_fixture.h"

namespace bellis::test {
namespace {

class LostLeasesPart : public OwnersFixture {
 protected:
  LostLeasesPart() { Connect(worker_, kPeer); }

  /// Failed attempts at the block that count.
  uint32_t Failed(BlockIndex block) {
    const auto found = task().attempts.find(block);
    return found == task().attempts.end() ? 0 : found->second.failed;
  }
  TaskRun& task() { return job_.tasks[0]; }
  const BlockCounts& counts() { return job_.counts(0); }
  Worker& Further() {
    Worker& further = roster_.AddFurther(durable_.NextWorker(), worker_);
    Connect(further, kOther);
    return further;
  }

  Job& job_ = Begin(TaskOf(8));
  Worker& worker_ = Launch(job_);
  Orders orders_{All()};
  Results results_{All(), &orders_};
  LostLeases lost_leases_{All(), &results_};
};

TEST_F(LostLeasesPart, TheOnlyBlockIsBlamed) {
  const Lease lease = HandOut(worker_);
  lost_leases_.End(worker_, "crashed");
  EXPECT_EQ(Failed(lease.block), 1u);
  EXPECT_TRUE(worker_.held.empty());
  EXPECT_EQ(counts().ready, 8u) << "it is tried again";
  ASSERT_EQ(task().failures.size(), 1u);
  EXPECT_EQ(task().failures[0].error, "crashed");
}

TEST_F(LostLeasesPart, OfSeveralBlocksEachIsSetApart) {
  const Lease a = HandOut(worker_);
  const Lease b = HandOut(worker_);
  lost_leases_.End(worker_, "crashed");
  EXPECT_EQ(task().apart_for(Duty::kWork), (std::set<BlockIndex>{a.block, b.block}));
  EXPECT_EQ(Failed(a.block) + Failed(b.block), 0u);
  EXPECT_EQ(counts().ready, 8u);
}

TEST_F(LostLeasesPart, WhereTheCulpritIsKnownTheOthersGoBackAsTheyWere) {
  const Lease a = HandOut(worker_);
  const Lease b = HandOut(worker_);
  lost_leases_.ReturnLeases(worker_, "timed out", b.id, Fault::kItsOwn);
  EXPECT_EQ(Failed(a.block), 0u);
  EXPECT_EQ(Failed(b.block), 1u);
  EXPECT_TRUE(task().apart_for(Duty::kWork).empty());
  EXPECT_EQ(counts().ready, 8u);
}

TEST_F(LostLeasesPart, AWorkerThatWasStoppedForABlockSaysWhy) {
  const Lease first = HandOut(worker_);
  const Lease second = HandOut(worker_);
  worker_.loss_reason = "timed out after 5 s";
  lost_leases_.End(worker_, "was ended by signal 15", Fault::kNotItsOwn);
  EXPECT_EQ(Failed(first.block), 1u) << "it was stopped for its own fault";
  EXPECT_EQ(Failed(second.block), 0u);
  EXPECT_EQ(task().failures[0].error, "timed out after 5 s");
  EXPECT_TRUE(worker_.loss_reason.empty());
}

TEST_F(LostLeasesPart, WhatTheBrokerCausedIsExcusedAFewTimes) {
  Job& job = Begin(TaskOf(1));
  Worker& worker = External(job);
  Connect(worker, kOther);
  for (int i = 0; i < 8; ++i) {
    HandOut(worker);
    lost_leases_.End(worker, "lost", Fault::kNotItsOwn);
    ASSERT_EQ(job.tasks[0].failures_total, 0u);
  }
  HandOut(worker);
  lost_leases_.End(worker, "lost", Fault::kNotItsOwn);
  EXPECT_EQ(job.tasks[0].failures_total, 1u) << "the block may be what stops brokers";
}

TEST_F(LostLeasesPart, TheBlockThatTheProcessHadNotedIsBlamed) {
  Worker& further = Further();
  const Lease own = HandOut(worker_);
  const Lease its = HandOut(further);
  lost_leases_.EndAll(worker_, "crashed", {{worker_.id, LeaseId()}, {further.id, its.id}});
  EXPECT_EQ(Failed(own.block), 0u);
  EXPECT_EQ(Failed(its.block), 1u);
  EXPECT_EQ(counts().ready, 8u);
}

TEST_F(LostLeasesPart, WithoutNotesTheBlocksOfAllConnectionsAreSetApart) {
  Worker& further = Further();
  const Lease own = HandOut(worker_);
  const Lease its = HandOut(further);
  lost_leases_.EndAll(worker_, "crashed", {});
  EXPECT_EQ(task().apart_for(Duty::kWork), (std::set<BlockIndex>{own.block, its.block}));
  EXPECT_EQ(Failed(own.block) + Failed(its.block), 0u);
}

TEST_F(LostLeasesPart, WhereOneConnectionWasStoppedTheOthersAreNotToBlame) {
  Worker& further = Further();
  const Lease own = HandOut(worker_);
  const Lease its = HandOut(further);
  further.loss_reason = "timed out";
  lost_leases_.EndAll(worker_, "was ended by signal 15", {});
  EXPECT_EQ(Failed(own.block), 0u);
  EXPECT_EQ(Failed(its.block), 1u);
  EXPECT_TRUE(task().apart_for(Duty::kWork).empty());
  EXPECT_EQ(counts().ready, 8u);
}

}  // namespace
}  // namespace bellis::test
