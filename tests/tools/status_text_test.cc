#include "tools/status_text.h"

#include <gtest/gtest.h>

#include <sstream>

#include "tests/tools/status_fixture.h"
#include "tools/exit_code.h"
#include "tools/text.h"

namespace bellis {
namespace {

TEST(StatusText, TableHasALineForEachJob) {
  JobStatus done = TestJob({TestTask("t", 10, 10)}, JobState::kCompleted);
  JobStatus running = TestJob({TestTask("t", 1000, 10), TestTask("u", 5)});
  running.job = "job-12";
  running.name = "segmentation";
  running.user = "ada";
  running.host = "node1";
  EXPECT_EQ(
      JobTable({done, running}),
      "JOB     STATE      COMPLETED  FAILED  ORPHANED  ELAPSED  SUBMITTED  BY         NAME\n"
      "job-1   completed  10/10      0       0         12 s                           my job\n"
      "job-12  running    10/1005    0       0         12 s                ada@node1  "
      "segmentation\n");
  EXPECT_EQ(JobTable({}), "no jobs\n");
}

TEST(StatusText, OrphansAreNeitherDoneNorFailed) {
  TaskStatus task = TestTask("t", 100, 14);
  task.counts.pending = 0;
  task.counts.orphaned = 86;
  const std::string table = JobTable({TestJob({task}, JobState::kCancelled)});
  EXPECT_NE(table.find("cancelled  14/100     0       86 "), std::string::npos) << table;
}

TEST(StatusText, NoticesAreBelowTheTable) {
  TaskStatus task = TestTask("t", 100, 14);
  task.notices = {"is slowed: 1000 attempts",
                  "starts no other workers: the last, worker 3; the end of its stderr:\nTrace\n"
                  "  more\nOSError: \x1b[2Jno disk\n"};
  const JobStatus job = TestJob({task});
  EXPECT_NE(JobTable({job}).find("running (2 notices)  14/100"), std::string::npos)
      << JobTable({job});
  const std::string details = JobDetails(job);
  EXPECT_TRUE(
      details.ends_with("\ntask t is slowed: 1000 attempts\n"
                        "\ntask t starts no other workers: the last, worker 3; the end of "
                        "its stderr:\n  OSError: ?[2Jno disk\n"))
      << details;
}

TEST(StatusText, APausedJobIsPaused) {
  TaskStatus one = TestTask("a", 4, 2);
  TaskStatus two = TestTask("b", 4);
  TaskStatus done = TestTask("c", 4, 4);
  EXPECT_EQ(StateText(TestJob({one, two, done})), "running");
  one.paused = true;
  EXPECT_EQ(StateText(TestJob({one, two, done})), "running, 1 of 2 tasks paused");
  two.paused = true;
  EXPECT_EQ(StateText(TestJob({one, two, done})), "paused");
  EXPECT_EQ(StateText(TestJob({one}, JobState::kCancelled)), "cancelled");
}

TEST(StatusText, LongNamesDoNotMakeALineWrap) {
  JobStatus job = TestJob({TestTask(std::string(200, 'x'), 4)});
  job.name = std::string(300, 'y');
  std::istringstream lines(JobTable({job}, 100) +
                           JobDetails(job, 100).substr(JobDetails(job, 100).find("\n\n") + 2));
  for (std::string line; std::getline(lines, line);) EXPECT_LE(DisplayWidth(line), 100) << line;
}

TEST(StatusText, DetailsHaveALineForEachTask) {
  TaskStatus task = TestTask("smooth", 64, 31, 4, 12);
  task.workers_live = 4;
  task.workers_starting = 1;
  EXPECT_EQ(JobDetails(TestJob({task})),
            "job-1 (my job): running, 12 s\n\n"
            "TASK    BLOCKS  PENDING  READY  RUNNING  COMPLETED  FAILED  ORPHANED  WORKERS\n"
            "smooth  64      17       12     4        31         0       0         4 (+1)\n");
}

TEST(StatusText, DetailsSayWhichLanguagesDidTheBlocksIfThereAreSeveral) {
  TaskStatus task = TestTask("smooth", 64, 64);
  task.languages = {{"c++", 64, 10.1}, {"julia", 0, 0}};
  EXPECT_EQ(JobDetails(TestJob({task})).find("blocks by workers"), std::string::npos);
  task.languages = {{"c++", 40, 10.1}, {"g\x1bo", 24, 15.2}};
  const std::string details = JobDetails(TestJob({TestTask("t", 1), task}));
  EXPECT_TRUE(
      details.ends_with("\ntask smooth: blocks by workers: c++ 40 (10.1 ms each), g?o 24 "
                        "(15.2 ms each)\n"))
      << details;
}

TEST(ExitCode, FollowsTheKindOfTrouble) {
  EXPECT_EQ(ExitCodeFor(TestJob({}, JobState::kCompleted)), 0);
  EXPECT_EQ(ExitCodeFor(TestJob({}, JobState::kFailed)), 1);
  EXPECT_EQ(ExitCodeFor(TestJob({}, JobState::kCancelled)), 1);
  EXPECT_EQ(ExitCodeFor(Error{ErrorCode::kInvalidSpec, ""}), 2);
  EXPECT_EQ(ExitCodeFor(Error{ErrorCode::kUnknownJob, ""}), 2);
  EXPECT_EQ(ExitCodeFor(Error{ErrorCode::kUnknownWorker, ""}), 2);
  EXPECT_EQ(ExitCodeFor(Error{ErrorCode::kTimeout, ""}), 3);
  EXPECT_EQ(ExitCodeFor(Error{ErrorCode::kUnauthorized, ""}), 3);
}

}  // namespace
}  // namespace bellis
