#include "broker/core/endings.h"

#include <gtest/gtest.h>

#include "tests/broker/core/owners_fixture.h"

namespace bellis::test {
namespace {

/// A broker that keeps two ended jobs.
class EndingsPart : public OwnersFixture {
 protected:
  EndingsPart() : OwnersFixture({.jobs_ended_kept = 2}) {}

  Job& BeginOne(const TaskSpec& spec) {
    Job& job = Begin(spec);
    job.open_tasks = 1;
    job.levels = {1};
    return job;
  }
  GroupRun& Group(Job& job) { return job.tasks[0].pool(Duty::kWork).groups[0]; }

  Orders orders_{All()};
  Results results_{All(), &orders_};
  LostLeases lost_leases_{All(), &results_};
  Claims claims_{All(), &results_};
  Exits exits_{All(), &lost_leases_, &claims_};
  LauncherLinks links_{All(), &orders_, &exits_};
  Staffing staffing_{All(), &orders_, &links_};
  Endings endings_{All(), &orders_, &results_, &staffing_};
};

TEST_F(EndingsPart, AJobWhoseBlocksAreAllDoneIsCompleted) {
  Job& job = BeginOne(TaskOf(2));
  Worker& worker = Launch(job);
  Connect(worker, kPeer);
  for (int i = 0; i < 2; ++i) results_.TakeResult(worker, {HandOut(worker).id});
  endings_.CloseTask(job, 0);
  EXPECT_EQ(job.state, JobState::kCompleted);
  EXPECT_EQ(job.counts(0).completed, 2u) << "the counts outlive the schedule";
  EXPECT_EQ(job.frontier, nullptr);
  EXPECT_EQ(effects_.jobs_ended, (std::vector<std::string>{job.id}));
  EXPECT_EQ(SentTo<LeaveMsg>(kPeer), (std::vector<LeaveMsg>{{"the task is done"}}));
}

TEST_F(EndingsPart, AJobWithABlockThatFailedHasFailed) {
  TaskSpec spec = TaskOf(1);
  spec.max_retries = 0;
  Job& job = BeginOne(spec);
  Worker& worker = External(job);
  Connect(worker, kPeer);
  results_.TakeResult(worker, {HandOut(worker).id, BlockOutcome::kFailed});
  endings_.CloseTask(job, 0);
  EXPECT_EQ(job.state, JobState::kFailed);
  EXPECT_EQ(job.reason, "some blocks failed");
}

TEST_F(EndingsPart, LeasedBlocksOfACancelledJobAreOrphaned) {
  Job& job = BeginOne(TaskOf(4));
  Worker& worker = Launch(job);
  Connect(worker, kPeer);
  HandOut(worker);
  watches_.Begin({.peer = kOther, .req = 5, .job = job.number});
  endings_.EndJob(job, JobState::kCancelled, "by hand");
  EXPECT_EQ(job.counts(0).orphaned, 4u);
  EXPECT_TRUE(worker.held.empty());
  EXPECT_EQ(SentTo<LeaveMsg>(kPeer).size(), 1u);
  EXPECT_EQ(SentTo<StopMsg>(kLauncher).size(), 1u);
  const auto ended = SentTo<EndedMsg>(kOther);
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0].req, 5u);
  EXPECT_EQ(ended[0].status.reason, "by hand");
}

TEST_F(EndingsPart, OnlyTheLastEndedJobsAreKept) {
  std::vector<JobNumber> numbers;
  for (int i = 0; i < 3; ++i) {
    Job& job = BeginOne(TaskOf(1));
    numbers.push_back(job.number);
    endings_.EndJob(job, JobState::kCancelled, "");
  }
  EXPECT_EQ(jobs_.Find(numbers[0]), nullptr);
  EXPECT_NE(jobs_.Find(numbers[1]), nullptr);
  EXPECT_NE(jobs_.Find(numbers[2]), nullptr);
}

TEST_F(EndingsPart, ATaskIsGivenUpAfterTooManyFailures) {
  Job& job = BeginOne(TaskOf(4));
  job.spec.tasks[0].max_failures = 1;
  job.tasks[0].failures_counted = 1;
  EXPECT_FALSE(endings_.GiveUpForFailures(job, 0));
  job.tasks[0].failures_counted = 2;
  EXPECT_TRUE(endings_.GiveUpForFailures(job, 0));
  EXPECT_EQ(job.counts(0).orphaned, 4u);
  endings_.CloseTask(job, 0);
  EXPECT_EQ(job.state, JobState::kFailed);
  EXPECT_EQ(job.reason, "task \"a\" was given up");
}

TEST_F(EndingsPart, ATaskWhoseGroupsAreGivenUpIsStuck) {
  Job& job = BeginOne(TaskOf(4));
  EXPECT_FALSE(endings_.GiveUpIfStuck(job, 0)) << "workers can be started";
  Group(job).error = "3 workers crashed";
  EXPECT_TRUE(endings_.GiveUpIfStuck(job, 0));
  EXPECT_EQ(job.tasks[0].error, "3 workers crashed");
}

TEST_F(EndingsPart, ATaskForWhichAWorkerMayComeIsNotStuck) {
  TaskSpec spec = TaskOf(4);
  spec.external_workers = true;
  Job& job = BeginOne(spec);
  Group(job).error = "3 workers crashed";
  EXPECT_FALSE(endings_.GiveUpIfStuck(job, 0));
}

TEST_F(EndingsPart, TheLastIdleWorkerHasSomeTimeToAskForABlock) {
  Job& job = BeginOne(TaskOf(4));
  Group(job).error = "3 workers crashed";
  Connect(External(job), kPeer);
  EXPECT_FALSE(endings_.GiveUpIfStuck(job, 0));
  Pass(options_.idle_wait);
  EXPECT_TRUE(endings_.GiveUpIfStuck(job, 0));
}

TEST_F(EndingsPart, WorkersThatLeftByThemselvesAreStartedAgainWhileThereIsProgress) {
  Job& job = BeginOne(TaskOf(4));
  Group(job).retired = 3;
  job.tasks[0].pool(Duty::kWork).progress = true;
  EXPECT_FALSE(endings_.GiveUpIfStuck(job, 0));
  EXPECT_EQ(Group(job).retired, 0u);
  EXPECT_EQ(job.tasks[0].restarts, 3u);
  Group(job).retired = 3;
  EXPECT_TRUE(endings_.GiveUpIfStuck(job, 0)) << "no block was completed since";
}

TEST_F(EndingsPart, ATaskThatNoLauncherStartsWorkersForIsGivenUp) {
  Job& job = BeginOne(TaskOf(4));
  launchers_.Disconnect(launchers_.At(launcher_), turn_.now());
  EXPECT_FALSE(endings_.GiveUpWithoutLauncher(job, 0, HandsOut::kNow));
  Pass(options_.launcher_wait);
  EXPECT_FALSE(endings_.GiveUpWithoutLauncher(job, 0, HandsOut::kNotNow));
  EXPECT_FALSE(endings_.GiveUpWithoutLauncher(job, 0, HandsOut::kNow)) << "waits from now on";
  Pass(options_.launcher_wait);
  EXPECT_TRUE(endings_.GiveUpWithoutLauncher(job, 0, HandsOut::kNow));
}

}  // namespace
}  // namespace bellis::test
