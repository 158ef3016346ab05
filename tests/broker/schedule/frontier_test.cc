#include "broker/schedule/frontier.h"

#include <gtest/gtest.h>

#include "tests/broker/schedule/job_fixture.h"

namespace bellis::test {
namespace {

JobSpec Chain(TaskSpec up, TaskSpec down) {
  JobSpec job;
  down.upstream = {up.task_id};
  job.tasks = {std::move(up), std::move(down)};
  return job;
}

TEST(ReadyFrontier, ReleasesBlockAfterLastUpstream) {
  TaskSpec down = Line("down", 1, 0, 30);  // one block over the three blocks of `up`
  Schedule schedule(Chain(Line("up", 3), down));
  std::vector<BlockRef> blocks;
  while (const auto block = schedule.Take(0)) blocks.push_back(*block);
  ASSERT_EQ(blocks.size(), 3u);
  schedule.frontier->Complete(blocks[2]);
  schedule.frontier->Complete(blocks[0]);
  EXPECT_EQ(schedule.frontier->counts(1).ready, 0u);
  schedule.frontier->Complete(blocks[1]);
  EXPECT_EQ(schedule.frontier->counts(1).ready, 1u);
}

TEST(ReadyFrontier, ABlockThatReadsNothingOfItsUpstreamIsReadyAtOnce) {
  // `up` covers [0, 20); `down` covers [0, 60).
  Schedule schedule(Chain(Line("up", 2), Line("down", 6)));
  EXPECT_EQ(schedule.frontier->counts(1).ready, 4u);
  EXPECT_EQ(schedule.RunSerially().size(), 8u);
  EXPECT_TRUE(schedule.frontier->Done(0));
  EXPECT_TRUE(schedule.frontier->Done(1));
}

TEST(ReadyFrontier, UpstreamAndDownstreamAgreeWithAsymmetricContext) {
  TaskSpec down = Line("down", 8);
  down.read_roi = Roi({-15}, {28});  // 15 below, 3 above
  down.total_roi = Roi({-15}, {98});
  Schedule schedule(Chain(Line("up", 8), down));
  for (TaskIndex t = 0; t < 2; ++t) {
    for (BlockIndex i = 0; i < 8; ++i) {
      for (const BlockRef& up : schedule.graph->Upstream({t, i})) {
        const auto back = schedule.graph->Downstream(up);
        EXPECT_NE(std::find(back.begin(), back.end(), BlockRef{t, i}), back.end());
      }
      for (const BlockRef& below : schedule.graph->Downstream({t, i})) {
        const auto back = schedule.graph->Upstream(below);
        EXPECT_NE(std::find(back.begin(), back.end(), BlockRef{t, i}), back.end());
      }
    }
  }
  EXPECT_EQ(schedule.RunSerially().size(), 16u);
}

TEST(ReadyFrontier, ATaskWithoutBlocksHoldsNobodyUp) {
  TaskSpec empty = Line("up", 1);
  empty.total_roi = Roi({0}, {5});
  Schedule schedule(Chain(empty, Line("down", 3)));
  EXPECT_TRUE(schedule.frontier->Done(0));
  EXPECT_EQ(schedule.graph->levels(0).num_levels(), 0u);
  EXPECT_EQ(schedule.frontier->counts(1).ready, schedule.frontier->counts(1).blocks);
}

/// A task of one block, and a second task of `blocks` blocks that read it, all except the last.
JobSpec ManyReadOne(int64_t blocks) {
  TaskSpec up = Line("up", 1, 0, 10 * (blocks - 1));
  TaskSpec down = Line("down", blocks);
  down.read_write_conflict = Conflict::kNone;
  return Chain(up, down);
}

TEST(ReadyFrontier, OneFailureOrphansAMillionBlocksInBoundedSteps) {
  Schedule schedule(ManyReadOne(1'000'001));
  const auto free = schedule.Take(1);  // this block runs meanwhile
  schedule.frontier->Fail(*schedule.Take(0));
  EXPECT_LE(schedule.frontier->counts(1).orphaned, static_cast<uint64_t>(Frontier::kInlineWork));
  int steps = 0;
  while (schedule.frontier->Work(100'000)) ++steps;
  EXPECT_GE(steps, 9);
  EXPECT_EQ(schedule.frontier->counts(1).orphaned, 1'000'000u);
  schedule.frontier->Complete(*free);
  EXPECT_TRUE(schedule.frontier->Done(1));
}

TEST(ReadyFrontier, WhatIsNotSweptIsOrphanedWhenItsTaskIsAtRest) {
  constexpr int64_t kBlocks = 100'000'000'000'000'000;
  Schedule schedule(ManyReadOne(kBlocks), Order::kFifo, {.orphans_swept = 1000});
  const auto free = schedule.Take(1);
  schedule.frontier->Fail(*schedule.Take(0));
  while (schedule.frontier->Work(100'000)) {
  }
  EXPECT_GE(schedule.frontier->counts(1).orphaned, 1000u);
  EXPECT_LE(schedule.frontier->counts(1).orphaned, static_cast<uint64_t>(Frontier::kInlineWork));
  schedule.frontier->Complete(*free);
  EXPECT_EQ(schedule.frontier->counts(1).orphaned, static_cast<uint64_t>(kBlocks - 1));
  EXPECT_TRUE(schedule.frontier->Done(1));
  EXPECT_EQ(schedule.frontier->state({1, 7}), BlockState::kDead);
  EXPECT_EQ(schedule.frontier->state(*free), BlockState::kCompleted);
}

TEST(ReadyFrontier, ATaskOfAnySizeIsGivenUpAtOnceWithAllAfterIt) {
  constexpr uint64_t kBlocks = 100'000'000'000'000'000;
  JobSpec job = Chain(Line("up", kBlocks), Line("down", kBlocks));
  job.tasks.push_back(Line("last", kBlocks));
  job.tasks.back().upstream = {"down"};
  Schedule schedule(job, Order::kFifo, {.orphans_swept = 100'000});
  schedule.frontier->Complete(*schedule.Take(0));
  const size_t bytes = schedule.frontier->bytes();
  schedule.frontier->Abandon(0);
  while (schedule.frontier->Work(100'000)) {
  }
  EXPECT_EQ(schedule.frontier->counts(0).orphaned, kBlocks - 1);
  for (TaskIndex t = 0; t < 3; ++t) {
    while (const auto block = schedule.Take(t)) schedule.frontier->Complete(*block);
    EXPECT_TRUE(schedule.frontier->Done(t));
    EXPECT_GE(schedule.frontier->counts(t).orphaned, kBlocks - 1);
  }
  EXPECT_LE(schedule.frontier->bytes(), bytes + (size_t{1} << 20));
}

TEST(ReadyFrontier, OneCompletionReadiesAMillionBlocksInBoundedSteps) {
  TaskSpec up = Line("up", 1, 0, 10'000'000);
  TaskSpec down = Line("down", 1'000'000);
  down.read_write_conflict = Conflict::kNone;
  Schedule schedule(Chain(up, down));
  schedule.frontier->Complete(*schedule.Take(0));
  EXPECT_LE(schedule.frontier->counts(1).ready, static_cast<uint64_t>(Frontier::kInlineWork));
  EXPECT_TRUE(schedule.Take(1).has_value()) << "the first are there at once";
  while (schedule.frontier->Work(100'000)) {
  }
  EXPECT_EQ(schedule.frontier->counts(1).ready + schedule.frontier->counts(1).leased, 1'000'000u);
}

TEST(ReadyFrontier, BlocksThatReadAWholeUpstreamTaskWatchOneBlockEach) {
  TaskSpec up = Line("up", 1'000'000);
  up.read_write_conflict = Conflict::kNone;
  TaskSpec down = Line("down", 100);
  down.read_write_conflict = Conflict::kNone;
  down.total_roi = Roi({0}, {20'000'000});
  down.read_roi = Roi({0}, {19'999'010});  // each of the 100 blocks reads all of `up`
  down.write_roi = Roi({9'999'500}, {10});
  Schedule schedule(Chain(up, down));
  EXPECT_EQ(schedule.frontier->counts(1).blocks, 100u);
  EXPECT_EQ(schedule.frontier->counts(1).ready, 0u);
  while (const auto block = schedule.Take(0)) schedule.frontier->Complete(*block);
  while (schedule.frontier->Work(1'000)) {
  }
  EXPECT_EQ(schedule.frontier->counts(1).ready, 100u);
  EXPECT_LT(schedule.frontier->bytes(), 200'000u);
}

TEST(ReadyFrontier, ASearchOverManyPagesGoesOnWhereItStopped) {
  TaskSpec up = Line("up", 1'000'000);
  up.read_write_conflict = Conflict::kNone;
  TaskSpec down = Line("down", 1, 0, 10'000'000);
  down.read_write_conflict = Conflict::kNone;
  Schedule schedule(Chain(up, down), Order::kDeepest, {.inline_work = 1});
  // The first block of `up` is the last to complete: the search goes over all pages.
  const auto first = schedule.Take(0);
  while (const auto block = schedule.Take(0)) schedule.frontier->Complete(*block);
  while (schedule.frontier->Work(3)) {
  }
  EXPECT_EQ(schedule.frontier->counts(1).ready, 0u);
  schedule.frontier->Complete(*first);
  while (schedule.frontier->Work(3)) {
  }
  EXPECT_EQ(schedule.frontier->counts(1).ready, 1u);
}

TEST(ReadyFrontier, OneCompletionReadiesBlocksOnlyAsTheyAreTaken) {
  TaskSpec up = Line("up", 1, 0, 10'000'000);
  TaskSpec down = Line("down", 1'000'000);
  up.read_write_conflict = down.read_write_conflict = Conflict::kNone;
  Schedule schedule(Chain(up, down), Order::kDeepest);
  schedule.frontier->Complete(*schedule.Take(0));
  uint64_t done = 0;
  while (!schedule.frontier->Done(1)) {
    while (schedule.frontier->Work(Frontier::kInlineWork)) {
    }
    EXPECT_LE(schedule.frontier->counts(1).ready, Frontier::kReadyAhead + Frontier::kInlineWork);
    EXPECT_LT(schedule.frontier->bytes(), 4'000'000u);
    for (int i = 0; i < 50'000; ++i) {
      const auto block = schedule.Take(1);
      if (!block) break;
      schedule.frontier->Complete(*block);
      ++done;
    }
  }
  EXPECT_EQ(done, 1'000'000u);
}

TEST(ReadyFrontier, ALargeMaskedTaskEndsInStrictOrder) {
  TaskSpec task;
  task.task_id = "a";
  task.total_roi = Roi({0, 0}, {602, 602});
  task.read_roi = Roi({0, 0}, {3, 3});
  task.write_roi = Roi({1, 1}, {1, 1});
  task.external_workers = true;
  task.mask = MaskSpec{{0, 0}, {602, 602}, {1, 1}, "\x80", ""};
  JobSpec job;
  job.tasks = {task};
  Schedule schedule(job, Order::kFifo);
  std::vector<BlockRef> held;
  uint64_t leased = 0;
  uint64_t level0 = 0;
  while (!schedule.frontier->Done(0)) {
    while (held.size() < 64) {
      const auto block = schedule.Take(0);
      if (!block) break;
      held.push_back(*block);
      const GridPoint k = schedule.graph->grid(0).PointOf(block->block);
      if (++leased <= 90'000 && schedule.graph->levels(0).LevelOf(k) == 0) ++level0;
    }
    if (held.empty()) {
      ASSERT_TRUE(schedule.frontier->has_work()) << "it stands still";
      schedule.frontier->Work(Frontier::kInlineWork);
    } else {
      schedule.frontier->Complete(held.back());
      held.pop_back();
    }
  }
  EXPECT_EQ(schedule.frontier->counts(0).completed, 360'000u);
  EXPECT_EQ(level0, 90'000u) << "those that wait for nothing come first";
}

TEST(BlockGrid, RefusesGridsThatOverflow) {
  TaskSpec task = Line("t", 1);
  const int64_t far = kWorldMax - 1;
  task.total_roi = Roi({-far, -far, -far}, {2 * far, 2 * far, 2 * far});
  task.read_roi = task.write_roi = Roi({0, 0, 0}, {1, 1, 1});
  const auto grid = BlockGrid::Make(task);
  ASSERT_FALSE(grid.ok());
  EXPECT_NE(grid.error().message.find("at most 2^62 blocks"), std::string::npos);
  task.read_roi = task.write_roi = Roi({0, 0, 0}, {far, 1 << 20, far});
  const auto ids = BlockGrid::Make(task);
  ASSERT_FALSE(ids.ok());
  EXPECT_NE(ids.error().message.find("do not fit in a signed 64-bit"), std::string::npos);
}

TEST(BlockGrid, CostsTheSameForABillionBlocks) {
  TaskSpec task = Line("t", 1'000'000'000, 3);
  Schedule schedule{JobSpec{"job", {task}, false, "", "", {}}};
  EXPECT_EQ(schedule.frontier->counts(0).blocks, 1'000'000'000u);
  EXPECT_EQ(schedule.frontier->counts(0).ready, 500'000'000u);
  const auto first = schedule.Take(0);
  ASSERT_TRUE(first.has_value());
  schedule.frontier->Complete(*first);
  EXPECT_LT(schedule.frontier->bytes(), 100'000u);
}

}  // namespace
}  // namespace bellis::test
