#include "broker/core/claims.h"

#include <gtest/gtest.h>

#include "tests/broker/core/owners_fixture.h"

namespace bellis::test {
namespace {

constexpr PeerId kThird{10};

/// A broker that goes on after one that had given the leases up to 100.
class ClaimsPart : public OwnersFixture {
 protected:
  ClaimsPart() { durable_.TakeOver({.lease = 101, .worker = 11}); }

  /// A worker that the earlier broker knew, and that is back.
  Worker& Returning(Job& job, PeerId peer) {
    Session session;
    session.worker = durable_.NextWorker();
    Worker& worker = roster_.AddRecovered(session, job, LauncherId());
    Connect(worker, peer);
    return worker;
  }
  using Leases = std::vector<LeaseId>;

  Job& job_ = Begin(TaskOf(8));
  Orders orders_{All()};
  Results results_{All(), &orders_};
  Claims claims_{All(), &results_};
};

TEST_F(ClaimsPart, AWorkerHasItsLeaseAgain) {
  Worker& worker = Returning(job_, kPeer);
  EXPECT_EQ(claims_.TakeUp(worker, {{LeaseId(50), 3, 2}}), Leases{LeaseId(50)});
  ASSERT_EQ(worker.held.size(), 1u);
  EXPECT_EQ(worker.held[0].block, 3u);
  EXPECT_EQ(worker.held[0].attempt, 2u);
  EXPECT_EQ(job_.counts(0).leased, 1u);
}

TEST_F(ClaimsPart, ImpossibleClaimsAreRefused) {
  Worker& worker = Returning(job_, kPeer);
  const std::vector<HeldLease> said = {{LeaseId(101), 3, 1}, {LeaseId(50), 8, 1}, {{}, 2, 1}};
  EXPECT_EQ(claims_.TakeUp(worker, said), Leases{})
      << "a lease that was never given, a block that is not there, no lease";
  EXPECT_EQ(job_.counts(0).leased, 0u);
  EXPECT_EQ(effects_.log.size(), 3u);
}

TEST_F(ClaimsPart, AnAttemptThatIsKnownToHaveFailedIsOver) {
  Worker& worker = Returning(job_, kPeer);
  job_.tasks[0].attempts[3].failed = 2;
  EXPECT_EQ(claims_.TakeUp(worker, {{LeaseId(50), 3, 2}}), Leases{});
  EXPECT_EQ(claims_.TakeUp(worker, {{LeaseId(60), 3, 3}}), Leases{LeaseId(60)});
}

TEST_F(ClaimsPart, OfTwoClaimsToABlockTheLaterLeaseIsValid) {
  Worker& early = Returning(job_, kPeer);
  Worker& late = Returning(job_, kOther);
  Worker& between = Returning(job_, kThird);
  claims_.TakeUp(early, {{LeaseId(50), 3, 1}});
  EXPECT_EQ(claims_.TakeUp(late, {{LeaseId(60), 3, 1}}), Leases{LeaseId(60)});
  EXPECT_TRUE(early.held.empty());
  EXPECT_EQ(claims_.TakeUp(between, {{LeaseId(55), 3, 1}}), Leases{});
  EXPECT_EQ(job_.counts(0).leased, 1u);
}

TEST_F(ClaimsPart, AResultWaitsUntilAllWorkersHaveReported) {
  Worker& done = Returning(job_, kPeer);
  Worker& other = Returning(job_, kOther);
  claims_.TakeUp(done, {{LeaseId(50), 3, 1}});
  results_.TakeResult(done, {LeaseId(50)});
  claims_.EndRecovering(done);
  EXPECT_EQ(job_.counts(0).completed, 0u);
  claims_.EndRecovering(other);
  EXPECT_EQ(job_.counts(0).completed, 1u);
}

TEST_F(ClaimsPart, AResultOfAnEarlierLeaseDoesNotCount) {
  Worker& done = Returning(job_, kPeer);
  Worker& other = Returning(job_, kOther);
  claims_.TakeUp(done, {{LeaseId(50), 3, 1}});
  results_.TakeResult(done, {LeaseId(50)});
  claims_.TakeUp(other, {{LeaseId(60), 3, 1}});
  claims_.EndRecovering(done);
  claims_.EndRecovering(other);
  EXPECT_EQ(job_.counts(0).completed, 0u);
  EXPECT_EQ(job_.counts(0).leased, 1u);
  EXPECT_EQ(other.held.size(), 1u);
}

TEST_F(ClaimsPart, OfTwoBlocksThatExcludeEachOtherTheLaterLeaseIsValid) {
  TaskSpec spec = Line("b", 8, 1);
  spec.read_write_conflict = Conflict::kExclusive;
  Job& job = Begin(spec);
  Worker& early = Returning(job, kPeer);
  Worker& late = Returning(job, kOther);
  Worker& between = Returning(job, kThird);
  claims_.TakeUp(early, {{LeaseId(50), 3, 1}});
  EXPECT_EQ(claims_.TakeUp(late, {{LeaseId(60), 4, 1}}), Leases{LeaseId(60)});
  EXPECT_TRUE(early.held.empty());
  EXPECT_EQ(claims_.TakeUp(between, {{LeaseId(55), 5, 1}}), Leases{});
  EXPECT_EQ(job.counts(0).leased, 1u);
}

TEST_F(ClaimsPart, ALeaseThatDidNotReachTheWorkerGoesBack) {
  Worker& worker = External(job_);
  Connect(worker, kPeer);
  HandOut(worker);
  const Lease second = HandOut(worker);
  EXPECT_EQ(claims_.TakeUp(worker, {{second.id, second.block, 1}}), Leases{second.id});
  EXPECT_EQ(job_.counts(0).leased, 1u);
  EXPECT_EQ(job_.counts(0).ready, 7u);
}

TEST_F(ClaimsPart, AJobThatRunsAgainKeepsLeasedBlocks) {
  Worker& worker = External(job_);
  Connect(worker, kPeer);
  HandOut(worker);
  HandOut(worker);
  auto again = Frontier::Make(job_.graph.get(), {Order::kFifo});
  EXPECT_EQ(claims_.ClaimWhatIsOut(job_, 0, *again), std::nullopt);
  EXPECT_EQ(again->counts(0).leased, 2u);
}

}  // namespace
}  // namespace bellis::test
