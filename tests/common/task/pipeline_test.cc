#include "common/task/pipeline.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/task/spec_reader.h"
#include "tests/common/task/sample_job.h"

namespace bellis {
namespace {

JobSpec Sample() {
  static const JobSpec sample = *ReadJobSpec(SampleTree());
  return sample;
}

std::string ErrorOf(const JobSpec& job) {
  const Status status = ValidateJob(job);
  return status.ok() ? "" : status.error().message;
}

/// Jobs made in memory do not go through the reader, but must obey all its rules.
TEST(ValidateJob, ChecksJobsThatWereNotRead) {
  EXPECT_EQ(ErrorOf(Sample()), "");
  EXPECT_EQ(ErrorOf(JobSpec{}), "tasks is empty; at least one task");

  JobSpec job = Sample();
  job.tasks[0].total_roi = Roi();
  EXPECT_EQ(ErrorOf(job), "tasks[0].total_roi.offset has 0 numbers; 1 to 8");

  job = Sample();
  job.tasks[1].write_roi = Roi({0, 0}, {0, 1});
  EXPECT_EQ(ErrorOf(job), "tasks[1].write_roi.shape[0] is 0; at least 1");

  job = Sample();
  job.tasks[0].max_retries = 1001;
  EXPECT_EQ(ErrorOf(job), "tasks[0].max_retries is 1001; at most 1000");

  job = Sample();
  job.tasks[0].max_worker_restarts = 1'000'001;
  EXPECT_EQ(ErrorOf(job), "tasks[0].max_worker_restarts is 1000001; at most 1000000");

  job = Sample();
  job.tasks[0].max_failures = 1'000'000'001;
  EXPECT_EQ(ErrorOf(job), "tasks[0].max_failures is 1000000001; at most 1000000000");

  job = Sample();
  job.tasks[0].external_workers = true;
  job.tasks[0].min_workers = 100'000;
  EXPECT_EQ(ErrorOf(job), "");
  job.tasks[0].min_workers = 100'001;
  EXPECT_EQ(ErrorOf(job), "tasks[0].min_workers is 100001; at most 100000");

  job = Sample();
  job.tasks[0].timeout = Duration{-1};
  EXPECT_EQ(ErrorOf(job), "tasks[0].timeout is -1 ns; 0 (none) to 315360000 s (ten years)");

  job = Sample();
  job.tasks[0].workers[0].count = 0;
  EXPECT_EQ(ErrorOf(job), "tasks[0].workers[0].count is 0; a whole number from 1 to 100000");

  job = Sample();
  job.tasks[0].workers[0].command.clear();
  EXPECT_EQ(ErrorOf(job), "tasks[0].workers[0].command is empty; a program and its arguments");
}

/// SEMANTICS "Tiling": the largest grids, and grids that are one block too large.
TEST(ValidateJob, CountsTheBlocks) {
  JobSpec job = Sample();
  job.tasks.resize(1);
  TaskSpec& task = job.tasks[0];
  const auto volume = [&](int64_t rows, int64_t columns) {
    task.total_roi = Roi({0, 0}, {rows, columns});
    task.read_roi = task.write_roi = Roi({0, 0}, {1, 1});
    return ErrorOf(job);
  };
  EXPECT_EQ(volume(kWorldMax - 1, 1),
            "tasks[0].total_roi makes a grid of (2305843009213693951, 1) blocks, whose ids do not "
            "fit in a signed 64-bit integer; fewer or larger blocks");
  EXPECT_EQ(volume(kWorldMax - 1, 0), "");
  EXPECT_EQ(volume(int64_t{1} << 30, int64_t{1} << 30), "");
  EXPECT_EQ(volume(int64_t{1} << 32, (int64_t{1} << 30) + 1),
            "tasks[0].total_roi makes a grid of (4294967296, 1073741825) blocks; at most 2^62 "
            "blocks");

  // The last block reaches beyond the end of the world.
  task.total_roi = Roi({0, 0}, {kWorldMax, 10});
  task.read_roi = task.write_roi = Roi({0, 0}, {(int64_t{1} << 40) + 1, 10});
  task.fit = Fit::kOverhang;
  EXPECT_EQ(ErrorOf(job),
            "tasks[0].total_roi makes a grid of (2097152, 1) blocks that reaches beyond 2^61 in "
            "dimension 0; all blocks within +-2^61");
}

TEST(ValidateJob, ReportsTheCodeForABadSpec) {
  EXPECT_EQ(ValidateJob(JobSpec{}).error().code, ErrorCode::kInvalidSpec);
}

TEST(ValidateJob, ExternalWorkersAreWorkers) {
  JobSpec job = Sample();
  job.tasks[0].workers.clear();
  EXPECT_NE(ErrorOf(job), "");
  job.tasks[0].external_workers = true;
  EXPECT_EQ(ErrorOf(job), "");
}

/// A job of `tasks` tasks. `edges`: pairs of (downstream, upstream).
JobSpec Graph(size_t tasks, const std::vector<std::pair<size_t, size_t>>& edges) {
  JobSpec job;
  for (size_t t = 0; t < tasks; ++t) {
    job.tasks.push_back(Sample().tasks[0]);
    job.tasks.back().task_id = "t" + std::to_string(t);
  }
  for (const auto& [down, up] : edges) {
    job.tasks[down].upstream.push_back("t" + std::to_string(up));
  }
  return job;
}

TEST(ValidateJob, AcceptsDiamondsAndAnyOrderOfTasks) {
  EXPECT_EQ(ErrorOf(Graph(4, {{0, 1}, {0, 2}, {1, 3}, {2, 3}})), "");
}

TEST(ValidateJob, FindsTheCycleBehindOtherTasks) {
  // t0 waits for the cycle t1 -> t3 -> t2 -> t1, which waits for t4.
  EXPECT_EQ(ErrorOf(Graph(5, {{0, 1}, {1, 2}, {2, 3}, {3, 1}, {3, 4}})),
            "tasks[1].upstream leads back to the task itself: \"t1\" -> \"t3\" -> \"t2\" -> "
            "\"t1\"; tasks without a cycle");
}

TEST(ValidateJob, ShowsTheBeginningOfALongCycle) {
  std::vector<std::pair<size_t, size_t>> edges;
  for (size_t t = 0; t < 500; ++t) edges.emplace_back((t + 1) % 500, t);
  EXPECT_EQ(ErrorOf(Graph(500, edges)),
            "tasks[0].upstream leads back to the task itself: \"t0\" -> \"t1\" -> \"t2\" -> \"t3\" "
            "-> \"t4\" -> \"t5\" -> \"t6\" -> \"t7\" -> \"t8\" -> \"t9\" -> \"t10\" -> \"t11\" -> "
            "\"t12\" -> \"t13\" -> \"t14\" -> \"t15\" -> ... (484 more) -> \"t0\"; tasks without a "
            "cycle");
}

TEST(ValidateJob, TakesTheLargestDenseGraph) {
  std::vector<std::pair<size_t, size_t>> edges;
  for (size_t down = 0; down < kTasksMax; ++down) {
    for (size_t up = 0; up < down; up += 4) edges.emplace_back(down, up);
  }
  EXPECT_EQ(ErrorOf(Graph(kTasksMax, edges)), "");
}

TEST(UpstreamPositions, FollowTheOrderOfEachList) {
  const auto upstream = UpstreamPositions(Graph(4, {{0, 3}, {0, 1}, {2, 0}}));
  const std::vector<std::vector<size_t>> expected = {{3, 1}, {}, {0}, {}};
  EXPECT_EQ(upstream, expected);
}

TEST(UpstreamPositionsDeathTest, NeedAValidJob) {
  JobSpec job = Graph(1, {});
  job.tasks[0].upstream = {"nobody"};
  EXPECT_DEATH(UpstreamPositions(job), "ValidateJob");
}

}  // namespace
}  // namespace bellis
