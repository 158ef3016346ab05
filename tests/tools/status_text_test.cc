#include "tools/status_text.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/tools/status_fixture.h"
#include "tools/exit_code.h"

namespace bellis {
namespace {

TEST(StatusText, JsonHasTheFieldsOfTheProtocol) {
  TaskStatus task = TestTask("smooth", 4, 2, 1);
  task.languages = {{"c++", 2, 1.5}};
  task.failures = {{7, 5, 1, WorkerId(3), "bad \"quote\"\n"}};
  task.failures_total = 1;
  EXPECT_EQ(JsonLine(StatusToJson(TestJob({task}))),
            R"({"job":"job-1","name":"my job","state":"running","reason":"","elapsed_s":12.3,)"
            R"("tasks":[{"task":"smooth","blocks":4,"masked":0,"pending":1,"ready":0,"leased":1,)"
            R"("completed":2,"skipped":0,"failed":0,"orphaned":0,"levels":0,"workers_starting":0,)"
            R"("workers_live":0,"worker_restarts":0,"block_ms_mean":0.0,)"
            R"("languages":[{"language":"c++","blocks":2,"block_ms_mean":1.5}],)"
            R"("failures":[{"block":7,"index":5,"attempt":1,"worker":3,)"
            R"("error":"bad \"quote\"\n"}],"failures_total":1,"error":"","log_dir":"",)"
            R"("paused":false}]})");
}

TEST(StatusText, BytesThatAreNoUtf8DoNotBreakTheJson) {
  const std::string line = JsonLine(StatusToJson(TestJob({TestTask("a\xff", 1)})));
  EXPECT_NE(line.find("a\uFFFD"), std::string::npos);
}

TEST(StatusText, TableHasALineAJob) {
  JobStatus done = TestJob({TestTask("t", 10, 10)}, JobState::kCompleted);
  JobStatus running = TestJob({TestTask("t", 1000, 10), TestTask("u", 5)});
  running.job = "job-12";
  running.name = "segmentation";
  EXPECT_EQ(JobTable({done, running}),
            "JOB     STATE      BLOCKS DONE  FAILED  ELAPSED  NAME\n"
            "job-1   completed  10/10        0       12 s     my job\n"
            "job-12  running    10/1005      0       12 s     segmentation\n");
  EXPECT_EQ(JobTable({}), "no jobs\n");
}

TEST(StatusText, DetailsHaveALineATask) {
  TaskStatus task = TestTask("smooth", 64, 31, 4, 12);
  task.workers_live = 4;
  task.workers_starting = 1;
  EXPECT_EQ(JobDetails(TestJob({task})),
            "job-1 (my job): running, 12 s\n\n"
            "TASK    BLOCKS  PENDING  READY  RUNNING  COMPLETED  FAILED  ORPHANED  WORKERS\n"
            "smooth  64      17       12     4        31         0       0         4 (+1)\n");
}

TEST(ExitCode, FollowsTheKindOfTrouble) {
  EXPECT_EQ(ExitCodeFor(TestJob({}, JobState::kCompleted)), 0);
  EXPECT_EQ(ExitCodeFor(TestJob({}, JobState::kFailed)), 1);
  EXPECT_EQ(ExitCodeFor(TestJob({}, JobState::kCancelled)), 1);
  EXPECT_EQ(ExitCodeFor(Error{ErrorCode::kInvalidSpec, ""}), 2);
  EXPECT_EQ(ExitCodeFor(Error{ErrorCode::kUnknownJob, ""}), 2);
  EXPECT_EQ(ExitCodeFor(Error{ErrorCode::kTimeout, ""}), 3);
  EXPECT_EQ(ExitCodeFor(Error{ErrorCode::kUnauthorized, ""}), 3);
}

}  // namespace
}  // namespace bellis
