#include "broker/core/staffing.h"

#include <gtest/gtest.h>

#include "tests/broker/core/owners_fixture.h"

namespace bellis::test {
namespace {

/// A broker with one gpu.
class StaffingPart : public OwnersFixture {
 protected:
  StaffingPart() : OwnersFixture({.resources = {{"gpu", 1}}}) {}

  /// How many processes the launcher is told to start by this call.
  size_t Launched(Job& job) {
    const size_t before = SentTo<LaunchMsg>(kLauncher).size();
    staffing_.LaunchWorkers(job, 0);
    return SentTo<LaunchMsg>(kLauncher).size() - before;
  }

  Orders orders_{All()};
  Results results_{All(), &orders_};
  LostLeases lost_leases_{All(), &results_};
  Claims claims_{All(), &results_};
  Exits exits_{All(), &lost_leases_, &claims_};
  LauncherLinks links_{All(), &orders_, &exits_};
  Staffing staffing_{All(), &orders_, &links_};
};

TEST_F(StaffingPart, EveryPlaceGetsAProcessOnce) {
  Job& job = Begin(TaskOf(8));
  EXPECT_EQ(Launched(job), 3u);
  EXPECT_EQ(Launched(job), 0u);
}

TEST_F(StaffingPart, NoMoreProcessesAreStartedThanThereAreBlocks) {
  EXPECT_EQ(Launched(Begin(TaskOf(2))), 2u);
}

TEST_F(StaffingPart, GroupsTakeTurns) {
  TaskSpec spec = TaskOf(3);
  spec.workers = {{{"a"}, 2, {}}, {{"b"}, 2, {}}};
  Launched(Begin(spec));
  std::vector<std::string> commands;
  for (const LaunchMsg& launch : SentTo<LaunchMsg>(kLauncher)) {
    commands.push_back(launch.command[0]);
  }
  EXPECT_EQ(commands, (std::vector<std::string>{"a", "b", "a"}));
}

TEST_F(StaffingPart, NoProcessIsStartedForATaskThatIsPausedOrClosed) {
  Job& job = Begin(TaskOf(8));
  job.spec.tasks[0].paused = true;
  EXPECT_EQ(Launched(job), 0u);
  job.spec.tasks[0].paused = false;
  job.tasks[0].closed = true;
  EXPECT_EQ(Launched(job), 0u);
}

TEST_F(StaffingPart, AGroupWaitsOutItsPause) {
  Job& job = Begin(TaskOf(8));
  job.tasks[0].pool(Duty::kWork).groups[0].launch_at = turn_.now() + Duration::Seconds(1);
  EXPECT_EQ(Launched(job), 0u);
  Pass(Duration::Seconds(1));
  EXPECT_EQ(Launched(job), 3u);
}

TEST_F(StaffingPart, TheBrokerWaitsForALauncherForSomeTime) {
  Job& job = Begin(TaskOf(8));
  launchers_.Disconnect(launchers_.At(launcher_), turn_.now());
  EXPECT_EQ(Launched(job), 0u);
  EXPECT_FALSE(staffing_.AwaitLauncher(job, 0, Duty::kWork));
  Pass(options_.launcher_wait);
  EXPECT_TRUE(staffing_.AwaitLauncher(job, 0, Duty::kWork));
}

TEST_F(StaffingPart, AnIdleWorkerMakesRoomForATaskThatNeedsItsResources) {
  TaskSpec spec = TaskOf(1);
  spec.required = {{"gpu", 1}};
  Job& idle = Begin(spec);
  ASSERT_EQ(Launched(idle), 1u);
  Worker& worker = roster_.At(durable_.last_worker());
  Connect(worker, kPeer);
  HandOut(worker);
  worker.want = 1;
  roster_.Park(worker);
  Pass(Duration::Seconds(1));
  Job& waiting = Begin(spec);
  EXPECT_EQ(Launched(waiting), 0u);
  EXPECT_TRUE(SentTo<DrainMsg>(kPeer).empty()) << "it holds a block";
  results_.TakeResult(worker, {worker.held.front().id});
  Pass(Duration::Seconds(1));
  EXPECT_EQ(Launched(waiting), 0u);
  EXPECT_EQ(SentTo<DrainMsg>(kPeer).size(), 1u);
  exits_.WorkerExited(worker, {.worker = worker.id});
  EXPECT_EQ(Launched(waiting), 1u);
}

TEST_F(StaffingPart, IfIdleWorkersAreTooManyTheNewestAreLetGo) {
  TaskSpec spec = TaskOf(1);
  spec.release_idle = true;
  Job& job = Begin(spec);
  for (const PeerId peer : {kPeer, kOther}) {
    Worker& worker = Launch(job);
    Connect(worker, peer);
    worker.want = 1;
    roster_.Park(worker);
  }
  staffing_.ReleaseIdle(job, 0);
  EXPECT_TRUE(SentTo<LeaveMsg>(kPeer).empty());
  EXPECT_EQ(SentTo<LeaveMsg>(kOther).size(), 1u);
  EXPECT_EQ(roster_.At(durable_.last_worker()).end_counts, EndCounts::kDismissed);
}

TEST_F(StaffingPart, AProcessThatTheBrokerHasGivenUpIsStopped) {
  staffing_.OnLaunched(kLauncher, {WorkerId(77), 123});
  const auto stops = SentTo<StopMsg>(kLauncher);
  ASSERT_EQ(stops.size(), 1u);
  EXPECT_EQ(stops[0].worker, WorkerId(77));
}

TEST_F(StaffingPart, ARunningProcessHasSomeTimeToSayHello) {
  Worker& worker = Launch(Begin(TaskOf(8)));
  staffing_.OnLaunched(kLauncher, {worker.id, 123});
  EXPECT_TRUE(worker.reported);
  EXPECT_EQ(worker.launched_pid, 123);
  turn_.End();
  EXPECT_EQ(effects_.next_deadline, turn_.now() + options_.hello_wait);
}

}  // namespace
}  // namespace bellis::test
