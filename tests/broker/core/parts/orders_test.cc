#include "broker/core/orders.h"

#include <gtest/gtest.h>

#include "tests/broker/core/owners_fixture.h"

namespace bellis::test {
namespace {

class OrdersPart : public OwnersFixture {
 protected:
  Job& job_ = Begin(TaskOf(8));
  Orders orders_{All()};
};

TEST_F(OrdersPart, ADrainIsToldToAllConnectionsOfAWorker) {
  Worker& place = Launch(job_);
  Connect(place, kPeer);
  Worker& further = roster_.AddFurther(durable_.NextWorker(), place);
  Connect(further, kOther);
  orders_.Drain(place, "enough");
  EXPECT_EQ(SentTo<DrainMsg>(kPeer), (std::vector<DrainMsg>{{"enough"}}));
  EXPECT_EQ(SentTo<DrainMsg>(kOther), (std::vector<DrainMsg>{{"enough"}}));
  EXPECT_TRUE(SentTo<StopMsg>(kLauncher).empty()) << "it may finish what it holds";
  EXPECT_EQ(place.leaving, Leaving::kWhenDone);
  EXPECT_EQ(further.leaving, Leaving::kWhenDone);
  EXPECT_EQ(place.end_counts, EndCounts::kReplaced);
}

TEST_F(OrdersPart, ALaunchedWorkerThatIsToLeaveIsCheckedLater) {
  Worker& worker = Launch(job_);
  Connect(worker, kPeer);
  orders_.Leave(worker, "done");
  EXPECT_EQ(SentTo<LeaveMsg>(kPeer), (std::vector<LeaveMsg>{{"done"}}));
  EXPECT_TRUE(SentTo<StopMsg>(kLauncher).empty());
  EXPECT_EQ(worker.leaving, Leaving::kInTime);
  turn_.End();
  EXPECT_EQ(effects_.next_deadline, turn_.now() + options_.leave_grace);
}

TEST_F(OrdersPart, ALaunchedWorkerThatIsToLeaveAtOnceIsStopped) {
  Worker& worker = Launch(job_);
  Connect(worker, kPeer);
  orders_.LeaveAtOnce(worker, "cancelled");
  EXPECT_EQ(SentTo<LeaveMsg>(kPeer).size(), 1u);
  EXPECT_EQ(SentTo<StopMsg>(kLauncher),
            (std::vector<StopMsg>{{worker.id, options_.stop_grace_ms}}));
  EXPECT_TRUE(worker.stop_asked);
}

TEST_F(OrdersPart, AnExternalWorkerIsOnlyAsked) {
  Worker& worker = External(job_);
  Connect(worker, kPeer);
  orders_.LeaveAtOnce(worker, "cancelled");
  EXPECT_EQ(SentTo<LeaveMsg>(kPeer).size(), 1u);
  EXPECT_EQ(worker.leaving, Leaving::kWhenDone);
  EXPECT_FALSE(worker.stop_asked);
  turn_.End();
  EXPECT_EQ(effects_.next_deadline, Instant::Never());
}

TEST_F(OrdersPart, ALauncherThatIsAwayIsSentNothing) {
  Worker& worker = Launch(job_);
  launchers_.Disconnect(launchers_.At(launcher_), turn_.now());
  orders_.SendLaunch(worker);
  orders_.StopProcess(worker);
  EXPECT_TRUE(effects_.sends.empty());
  EXPECT_TRUE(worker.stop_asked) << "the order is repeated when the launcher is back";
}

TEST_F(OrdersPart, AnEndThatIsAskedForTwiceCountsAsAtFirst) {
  Worker& worker = Launch(job_);
  worker.end_counts = EndCounts::kDismissed;
  orders_.StopProcess(worker);
  EXPECT_EQ(worker.end_counts, EndCounts::kDismissed);
}

TEST_F(OrdersPart, TheMoreSpecificOfTwoVariablesWins) {
  job_.spec.env = {{"A", "job"}, {"B", "job"}, {"C", "job"}};
  job_.spec.tasks[0].env = {{"B", "task"}, {"C", "task"}, {"BELLIS_SLOT", "99"}};
  job_.spec.tasks[0].workers[0].env = {{"C", "group"}};
  Launch(job_);
  Worker& second = Launch(job_);
  orders_.SendLaunch(second);
  const std::vector<LaunchMsg> sent = SentTo<LaunchMsg>(kLauncher);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].worker, second.id);
  EXPECT_EQ(sent[0].command, (std::vector<std::string>{"work"}));
  const Environment expected = {{"A", "job"}, {"B", "task"}, {"C", "group"}, {"BELLIS_SLOT", "1"}};
  EXPECT_EQ(sent[0].env, expected);
}

TEST_F(OrdersPart, ACheckerIsToldItsDuty) {
  job_.spec.tasks[0].check = WorkerGroup{{"look"}, 1, {}};
  job_.tasks[0].pool(Duty::kCheck).groups.resize(1);
  orders_.SendLaunch(Launch(job_, Duty::kCheck));
  const std::vector<LaunchMsg> sent = SentTo<LaunchMsg>(kLauncher);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].command, (std::vector<std::string>{"look"}));
  EXPECT_EQ(sent[0].env.at("BELLIS_DUTY"), "check");
}

TEST_F(OrdersPart, AWorkerOfAGroupThatWasRemovedIsNotStarted) {
  Worker& worker = Launch(job_);
  job_.spec.tasks[0].workers.clear();
  orders_.SendLaunch(worker);
  EXPECT_TRUE(SentTo<LaunchMsg>(kLauncher).empty());
}

}  // namespace
}  // namespace bellis::test
