#include "broker/core/pool_sizes.h"

#include <gtest/gtest.h>

namespace bellis::test {
namespace {

/// A job of one task with 10 blocks, all of them ready. It has ended, so that its counts can be
/// set.
class PoolSizes : public testing::Test {
 protected:
  PoolSizes() {
    job_.spec.tasks.resize(1);
    job_.tasks.resize(1);
    job_.final_counts = {{.blocks = 10, .ready = 10}};
    SetGroups({2, 3});
  }

  void SetGroups(const std::vector<uint32_t>& counts) {
    spec().workers.clear();
    for (const uint32_t count : counts) spec().workers.push_back({{"work"}, count, {}});
    pool().groups.assign(counts.size(), {});
  }
  TaskSpec& spec() { return job_.spec.tasks[0]; }
  TaskRun& task() { return job_.tasks[0]; }
  Pool& pool() { return task().pool(Duty::kWork); }
  BlockCounts& counts() { return job_.final_counts[0]; }
  uint64_t PermittedWorkers() { return Permitted(job_, 0, Duty::kWork); }

  Job job_;
};

TEST_F(PoolSizes, AsManyProcessesAsPlacesArePermitted) {
  EXPECT_EQ(PermittedWorkers(), 5u);
  EXPECT_EQ(Wanted(job_, 0, Duty::kWork), 5u);
}

TEST_F(PoolSizes, NoMoreProcessesThanBlocksLeftAreWanted) {
  counts() = {.blocks = 10, .ready = 1, .leased = 2, .completed = 7};
  EXPECT_EQ(Wanted(job_, 0, Duty::kWork), 3u);
}

TEST_F(PoolSizes, APlaceWhoseProcessLeftByItselfIsNotFilledAgain) {
  pool().groups[1].retired = 1;
  EXPECT_EQ(PermittedWorkers(), 4u);
  pool().groups[1].retired = 7;  // the user has made the group smaller since
  EXPECT_EQ(PermittedWorkers(), 2u);
}

TEST_F(PoolSizes, OfAGroupThatWasGivenUpTheRunningProcessesCount) {
  pool().groups[0].error = "crashes";
  pool().groups[0].active = 1;
  EXPECT_EQ(PermittedWorkers(), 1u + 3u);
}

TEST_F(PoolSizes, OfAGroupThatWasRemovedTheRunningProcessesCount) {
  pool().groups[1].active = 2;
  spec().workers.pop_back();
  EXPECT_EQ(PermittedWorkers(), 2u + 2u);
}

TEST_F(PoolSizes, ASerialJobHasOneProcess) {
  job_.spec.serial = true;
  EXPECT_EQ(PermittedWorkers(), 1u);
}

TEST_F(PoolSizes, ActiveProcessesAreSummedUpOverTheGroups) {
  pool().groups[0].active = 2;
  pool().groups[1].active = 1;
  EXPECT_EQ(Active(pool()), 3u);
}

TEST_F(PoolSizes, WorkersAreNeededWhileBlocksAreReady) {
  EXPECT_TRUE(Needed(job_, 0, Duty::kWork));
  EXPECT_FALSE(Needed(job_, 0, Duty::kCheck));
  EXPECT_FALSE(Needed(job_, 0, Duty::kPostCheck));
  counts().ready = 0;
  EXPECT_FALSE(Needed(job_, 0, Duty::kWork));
}

TEST_F(PoolSizes, WithACheckWorkersAreNeededForClearedBlocks) {
  spec().check = WorkerGroup{{"check"}, 1, {}};
  EXPECT_TRUE(Needed(job_, 0, Duty::kCheck));
  EXPECT_FALSE(Needed(job_, 0, Duty::kWork)) << "a checker looks first";
  task().cleared = {4};
  EXPECT_TRUE(Needed(job_, 0, Duty::kWork));
  task().cleared.clear();
  task().held_back = {4};
  EXPECT_TRUE(Needed(job_, 0, Duty::kWork)) << "a retry was checked before";
}

TEST_F(PoolSizes, PostCheckersAreNeededWhileBlocksAreLeased) {
  spec().post_check = WorkerGroup{{"check"}, 1, {}};
  EXPECT_FALSE(Needed(job_, 0, Duty::kPostCheck));
  counts() = {.blocks = 10, .leased = 1, .completed = 9};
  EXPECT_TRUE(Needed(job_, 0, Duty::kPostCheck));
}

TEST_F(PoolSizes, WithReleaseIdleThePresentWorkersMayBeEnough) {
  counts() = {.blocks = 10, .ready = 3, .completed = 7};
  pool().engaged = 2;
  pool().starting = 1;
  EXPECT_FALSE(HasEnoughForTheRest(job_, 0, Duty::kWork)) << "only with release_idle";
  spec().release_idle = true;
  EXPECT_TRUE(HasEnoughForTheRest(job_, 0, Duty::kWork));
  pool().starting = 0;
  EXPECT_FALSE(HasEnoughForTheRest(job_, 0, Duty::kWork));
}

}  // namespace
}  // namespace bellis::test
