#include "tools/summary.h"

#include <gtest/gtest.h>

#include "tests/tools/status_fixture.h"

namespace bellis {
namespace {

FailureRecord Failure(CantorId block, uint32_t attempt, uint64_t worker, std::string error) {
  return {block, static_cast<BlockIndex>(block), attempt, WorkerId(worker), std::move(error)};
}

TaskStatus FailedTask() {
  TaskStatus task = TestTask("smooth", 64, 60);
  task.counts.failed = 2;
  task.counts.orphaned = 2;
  task.counts.pending = 0;
  task.log_dir = "/home/me/bellis_logs";
  task.failures = {Failure(3, 1, 1, "flaky"), Failure(3, 2, 2, "ValueError('bad')\nTraceback"),
                   Failure(9, 1, 1, "first"), Failure(9, 2, 4, ""),
                   Failure(20, 1, 4, "made good later")};
  task.failures_total = 5;
  return task;
}

TEST(Summary, OfASuccessHasTheUsualWords) {
  TaskStatus task = TestTask("smooth", 64, 64);
  task.block_ms_mean = 12.34;
  task.languages = {{"c++", 40, 10.1}, {"python", 24, 15.2}, {"julia", 0, 0}};
  EXPECT_EQ(SummaryText(TestJob({task}, JobState::kCompleted)), R"(
Execution Summary
-----------------

  Task smooth:

    num blocks : 64
    completed ✔: 64 (skipped 0)
    failed    ✗: 0
    orphaned  ∅: 0

    mean block time: 12.3 ms
    blocks by workers: c++ 40 (10.1 ms each), python 24 (15.2 ms each)

    all blocks processed successfully
)");
}

TEST(Summary, NamesTheFailedBlocksTheirWorkersAndLogs) {
  JobStatus job = TestJob({FailedTask(), TestTask("segment", 0)}, JobState::kFailed);
  job.reason = "4 blocks were not processed";
  EXPECT_EQ(SummaryText(job), R"(
Execution Summary
-----------------

  Task smooth:

    num blocks : 64
    completed ✔: 60 (skipped 0)
    failed    ✗: 2
    orphaned  ∅: 2

    Failed Blocks:

      block 3 attempt 2 in worker 2: ValueError('bad')
      block 9 attempt 2 in worker 4: no error given

    See worker logs for details:

      /home/me/bellis_logs/smooth/worker_2.err / .out
      /home/me/bellis_logs/smooth/worker_4.err / .out

  Task segment:

    num blocks : 0
    completed ✔: 0 (skipped 0)
    failed    ✗: 0
    orphaned  ∅: 0

    all blocks processed successfully

  Job failed: 4 blocks were not processed (2 blocks not run)
)");
}

TEST(Summary, ShowsTenFailedBlocksAndCountsTheOthers) {
  TaskStatus task = TestTask("t", 25);
  task.counts.failed = 25;
  task.counts.pending = 0;
  for (int block = 0; block < 25; ++block) task.failures.push_back(Failure(block, 1, 1, "no"));
  task.failures_total = 25;
  const std::string text = SummaryText(TestJob({task}, JobState::kFailed));
  EXPECT_NE(text.find("block 9 attempt"), std::string::npos);
  EXPECT_EQ(text.find("block 10 attempt"), std::string::npos);
  EXPECT_NE(text.find("      ... and 15 more\n"), std::string::npos);
}

TEST(Summary, CountsAttemptsWhereRecordsAreMissing) {
  TaskStatus task = FailedTask();
  task.failures_total = 500;  // the first few failures do not show which attempts were the last
  const std::string text = SummaryText(TestJob({task}, JobState::kFailed));
  EXPECT_NE(text.find("Failed Attempts:\n\n      block 3 attempt 1 in worker 1: flaky\n"),
            std::string::npos);
  EXPECT_NE(text.find("... and 495 more"), std::string::npos);
}

TEST(Summary, ShowsTheExceptionOfATraceback) {
  TaskStatus task = TestTask("t", 1);
  task.counts.failed = 1;
  task.counts.pending = 0;
  task.failures = {Failure(0, 1, 1,
                           "Traceback (most recent call last):\n"
                           "  File \"x.py\", line 1, in f\n"
                           "ValueError: boom\n")};
  task.failures_total = 1;
  const std::string text = SummaryText(TestJob({task}, JobState::kFailed));
  EXPECT_NE(text.find("block 0 attempt 1 in worker 1: ValueError: boom\n"), std::string::npos)
      << text;
}

TEST(Summary, HasOneLineForRetriesThatSucceeded) {
  TaskStatus task = TestTask("t", 4, 4);
  task.failures = {Failure(1, 1, 1, "once")};
  task.failures_total = 1;
  const std::string text = SummaryText(TestJob({task}, JobState::kCompleted));
  EXPECT_NE(text.find("\n    1 failed attempt made good by a retry\n"), std::string::npos);
  EXPECT_EQ(text.find("Failed Blocks"), std::string::npos);
  EXPECT_NE(text.find("all blocks processed successfully"), std::string::npos);
}

TEST(Summary, SaysWhyATaskWasGivenUp) {
  TaskStatus task = TestTask("a/b", 4);
  task.counts.orphaned = 4;
  task.counts.pending = 0;
  task.log_dir = "/logs";
  task.error = "its workers crashed 11 times without completing a block\nTraceback:\n  no module x";
  const std::string text = SummaryText(TestJob({task}, JobState::kFailed));
  EXPECT_NE(text.find("    Task given up:\n\n"
                      "      its workers crashed 11 times without completing a block\n"
                      "      Traceback:\n"
                      "        no module x\n"
                      "\n    See worker logs for details:\n\n      /logs/a%2Fb/\n"),
            std::string::npos)
      << text;
}

TEST(Summary, LongErrorsKeepTheirFirstLineAndTheirEnd) {
  TaskStatus task = TestTask("t", 1);
  task.error = "first";
  for (int i = 0; i < 100; ++i) task.error += "\nline " + std::to_string(i);
  const std::string text = SummaryText(TestJob({task}, JobState::kFailed));
  EXPECT_NE(text.find("      first\n      ...\n      line 80\n"), std::string::npos) << text;
  EXPECT_NE(text.find("line 99"), std::string::npos);
}

TEST(Summary, OfACancelledJobCountsWhatWasNotRun) {
  JobStatus job = TestJob({TestTask("t", 10, 4, 0, 2)}, JobState::kCancelled);
  job.reason = "cancelled by its user";
  const std::string text = SummaryText(job);
  EXPECT_NE(text.find("    not run    : 6\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\n  Job cancelled: cancelled by its user (6 blocks not run)\n"),
            std::string::npos)
      << text;
  EXPECT_EQ(text.find("successfully"), std::string::npos);
}

}  // namespace
}  // namespace bellis
