#include "broker/core/losses.h"

#include <gtest/gtest.h>

#include "tests/broker/core/owners_fixture.h"

namespace bellis::test {
namespace {

/// A broker on the machine "here".
class LossesPart : public OwnersFixture {
 protected:
  LossesPart() : OwnersFixture({.machine = "here"}) {}

  /// An external worker that is connected, holds a block and pings.
  Worker& Pinging() {
    Worker& worker = External(job_);
    worker.heartbeat_ms = 1000;
    Connect(worker, kPeer);
    roster_.RenewLease(worker);
    HandOut(worker);
    return worker;
  }
  /// A launched worker that is connected, and works on a block that may take 5 s.
  Worker& Launched() {
    job_.spec.tasks[0].timeout = Duration::Seconds(5);
    Worker& worker = Launch(job_);
    Connect(worker, kPeer);
    HandOut(worker);
    roster_.StartBlock(worker);
    return worker;
  }
  TaskRun& task() { return job_.tasks[0]; }

  Job& job_ = Begin(TaskOf(8));
  Orders orders_{All()};
  Results results_{All(), &orders_};
  LostLeases lost_leases_{All(), &results_};
  Claims claims_{All(), &results_};
  Exits exits_{All(), &lost_leases_, &claims_};
  LauncherLinks links_{All(), &orders_, &exits_};
  Losses losses_{All(), &orders_, &lost_leases_, &claims_, &exits_, &links_};
};

TEST_F(LossesPart, AWorkerThatPingsKeepsItsBlockWhenItsConnectionBreaks) {
  Worker& worker = Pinging();
  losses_.EndPeer(kPeer, PeerEnd::kLost, "lost");
  EXPECT_EQ(worker.presence, Presence::kAway);
  EXPECT_EQ(worker.held.size(), 1u);
  EXPECT_FALSE(peers_.Has(kPeer));
}

TEST_F(LossesPart, AWorkerThatSaysByeWhileItHoldsABlockHasFailedIt) {
  Pinging();
  losses_.EndPeer(kPeer, PeerEnd::kBye, "worker left");
  EXPECT_TRUE(roster_.empty());
  ASSERT_EQ(task().failures.size(), 1u);
  EXPECT_EQ(task().failures[0].error, "worker left");
}

TEST_F(LossesPart, WithUnsafeLeasesABlockIsFreeWhenTheConnectionBreaks) {
  job_.spec.tasks[0].unsafe_leases = true;
  Worker& worker = External(job_);
  Connect(worker, kPeer);
  HandOut(worker);
  losses_.EndPeer(kPeer, PeerEnd::kLost, "lost");
  EXPECT_TRUE(roster_.empty());
  EXPECT_EQ(job_.counts(0).ready, 8u);
}

TEST_F(LossesPart, ALaunchedWorkerThatSaysByeKeepsItsPlaceUntilItsExit) {
  Worker& worker = Launch(job_);
  Connect(worker, kPeer);
  losses_.EndPeer(kPeer, PeerEnd::kBye, "");
  EXPECT_EQ(worker.presence, Presence::kVacant);
  EXPECT_EQ(roster_.all().size(), 1u);
}

TEST_F(LossesPart, ALeaseEndsWithSilenceAndNotBefore) {
  Worker& worker = Pinging();
  Pass(Duration::Seconds(1));
  roster_.RenewLease(worker);
  Pass(Duration::Seconds(19));
  losses_.LeaseDue(worker);
  EXPECT_EQ(worker.held.size(), 1u);
  Pass(Duration::Seconds(1));
  losses_.LeaseDue(worker);
  EXPECT_TRUE(roster_.empty());
  ASSERT_EQ(task().failures.size(), 1u);
  EXPECT_EQ(task().failures[0].error, "worker lost: not heard of for 20 s");
}

TEST_F(LossesPart, ALaunchedWorkerIsStoppedForATimeoutAndKeepsItsBlockUntilItsExit) {
  Worker& worker = Launched();
  Pass(Duration::Seconds(4));
  losses_.BlockTimeoutDue(worker);
  EXPECT_FALSE(worker.stop_asked);
  Pass(Duration::Seconds(1));
  losses_.BlockTimeoutDue(worker);
  EXPECT_EQ(SentTo<StopMsg>(kLauncher).size(), 1u);
  EXPECT_EQ(worker.held.size(), 1u) << "its process may still write";
  exits_.WorkerExited(worker, {.worker = worker.id, .signal = 15});
  ASSERT_EQ(task().failures.size(), 1u);
  EXPECT_EQ(task().failures[0].error, "timeout after 5 s");
}

TEST_F(LossesPart, AnExternalWorkerThatPingsIsAskedToLeaveForATimeout) {
  job_.spec.tasks[0].timeout = Duration::Seconds(5);
  Worker& worker = Pinging();
  roster_.StartBlock(worker);
  Pass(Duration::Seconds(5));
  losses_.BlockTimeoutDue(worker);
  EXPECT_EQ(SentTo<LeaveMsg>(kPeer).size(), 1u);
  EXPECT_EQ(worker.held.size(), 1u) << "until its lease ends";
}

TEST_F(LossesPart, AWorkerThatDoesNotSayHelloIsStopped) {
  Worker& worker = Launch(job_);
  losses_.HelloOverdue(worker);
  EXPECT_EQ(worker.end_counts, EndCounts::kUnheard);
  EXPECT_EQ(SentTo<StopMsg>(kLauncher).size(), 1u);
  EXPECT_EQ(task().pool(Duty::kWork).starting, 0u);
}

TEST_F(LossesPart, AProcessThatIsGoneHoldsNothing) {
  Worker& worker = External(job_);
  worker.process = {"host", "here", 123};
  Connect(worker, kPeer);
  HandOut(worker);
  const WorkerId id = worker.id;
  losses_.OnProcessGone({id, 123});
  EXPECT_NE(roster_.Find(id), nullptr) << "it is connected";
  losses_.EndPeer(kPeer, PeerEnd::kLost, "lost");
  losses_.OnProcessGone({id, 77});
  EXPECT_NE(roster_.Find(id), nullptr) << "another process was meant";
  losses_.OnProcessGone({id, 123});
  EXPECT_EQ(roster_.Find(id), nullptr);
  EXPECT_EQ(job_.counts(0).ready, 8u);
}

TEST_F(LossesPart, WorkerGoneIsAcceptedOnlyIfNobodyElseWouldReportTheEnd) {
  Worker& worker = External(job_);
  const WorkerId id = worker.id;
  const auto refusals = [&] {
    losses_.OnWorkerGone(kOther, {.req = 1, .worker = id});
    return SentTo<ErrorMsg>(kOther).size();
  };
  peers_.Bind(kOther, {});
  Connect(worker, kPeer);
  HandOut(worker);
  EXPECT_EQ(refusals(), 1u) << "it is connected";
  losses_.EndPeer(kPeer, PeerEnd::kLost, "lost");
  worker.heartbeat_ms = 1000;
  EXPECT_EQ(refusals(), 2u) << "it sends heartbeats";
  worker.heartbeat_ms = 0;
  worker.process = {"host", "here", 123};
  EXPECT_EQ(refusals(), 3u) << "the broker sees its process";
  worker.process.machine = "elsewhere";
  EXPECT_EQ(refusals(), 3u);
  EXPECT_EQ(roster_.Find(id), nullptr);
  EXPECT_EQ(SentTo<OkMsg>(kOther).size(), 1u);
  EXPECT_EQ(refusals(), 4u) << "no such worker";
}

TEST_F(LossesPart, ALaunchersWorkerMayBeAliveUntilItsLauncherReportsItsEnd) {
  const Worker& worker = Launch(job_);
  EXPECT_EQ(MayBeAliveBecause(worker, roster_, launchers_, "here"),
            "its launcher (pid 5 on host) reports its end");
}

}  // namespace
}  // namespace bellis::test
