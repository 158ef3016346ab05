// Which job a request means, who submitted a job, and since when it runs.

#include <gtest/gtest.h>

#include "tests/broker/core/json.h"
#include "tests/broker/core/script.h"

namespace bellis::test {
namespace {

std::string Submit(const std::string& name) {
  return R"(["submit", {"req": 1, "job": {"name": ")" + name + R"(",
    "origin": {"user": "ada", "host": "node1", "submitted_at": 5}, "tasks": [{"task_id": "t",
    "total_roi": {"offset": [0], "shape": [20]}, "read_roi": {"offset": [0], "shape": [10]},
    "write_roi": {"offset": [0], "shape": [10]}, "external_workers": true}]}}])";
}

Json AnswerTo(Script& script, const std::string& message) {
  const std::string line = script.Say("client", message).at(0);
  return Json::parse(line.substr(line.find('[')));
}

class JobNames : public testing::Test {
 protected:
  JobNames() : script_(Options()) { script_.Say("client", R"(["hello", {"role": "client"}])"); }

  static CoreOptions Options() {
    CoreOptions options;
    options.unix_ms_at_zero = 1'000'000'000'000;
    return options;
  }

  Script script_;
};

TEST_F(JobNames, ANameMeansTheJobThatRuns) {
  script_.Say("client", Submit("smooth"));
  script_.Say("client", R"(["cancel", {"req": 2, "job": "smooth"}])");
  EXPECT_EQ(script_.job(0).state, JobState::kCancelled);
  script_.Say("client", Submit("smooth"));
  const Json jobs = AnswerTo(script_, R"(["status", {"req": 3, "job": "smooth"}])")[1]["jobs"];
  ASSERT_EQ(jobs.size(), 1u);
  EXPECT_EQ(jobs[0]["job"], "smooth-2");
  script_.Say("client", R"(["cancel", {"req": 4, "job": "smooth"}])");
  EXPECT_EQ(AnswerTo(script_, R"(["status", {"job": "smooth"}])")[1]["jobs"][0]["job"], "smooth-2")
      << "none runs: the newest";
}

TEST_F(JobNames, ANameOfSeveralRunningJobsIsRefusedWithTheirIds) {
  script_.Say("client", Submit("smooth"));
  script_.Say("client", Submit("smooth"));
  const Json error = AnswerTo(script_, R"(["cancel", {"req": 2, "job": "smooth"}])");
  EXPECT_EQ(error[1]["code"], "unknown_job");
  EXPECT_EQ(error[1]["message"],
            "cancel.job is \"smooth\": several jobs of this name run, give the id of one: "
            "smooth-2, smooth-1");
  EXPECT_EQ(script_.job(0).state, JobState::kRunning);
}

TEST_F(JobNames, AnIdTakesPrecedenceOverAName) {
  script_.Say("client", Submit("smooth"));
  script_.Say("client", Submit("smooth-1"));
  EXPECT_EQ(AnswerTo(script_, R"(["status", {"job": "smooth-1"}])")[1]["jobs"][0]["name"],
            "smooth");
}

TEST_F(JobNames, AJobHasItsUserAndTheTimeOfItsSubmit) {
  script_.set_now_ms(7000);
  script_.Say("client", Submit("smooth"));
  const JobStatus job = script_.job();
  EXPECT_EQ(job.user, "ada");
  EXPECT_EQ(job.host, "node1");
  EXPECT_EQ(job.submitted_at, 1'000'000'007u) << "by the broker's clock, not the client's";
}

TEST_F(JobNames, ARestartedBrokerCountsTheTimeFromTheSubmit) {
  SavedJob running;
  running.job = JobNumber(1);
  running.id = "smooth-1";
  running.spec.name = "smooth";
  running.spec.tasks.resize(1);
  running.spec.tasks[0].task_id = "t";
  running.spec.tasks[0].total_roi = Roi({0}, {20});
  running.spec.tasks[0].read_roi = running.spec.tasks[0].write_roi = Roi({0}, {10});
  running.spec.tasks[0].external_workers = true;
  running.spec.origin = {"ada", "node1", 999'999'940, 0};
  SavedJob ended = running;
  ended.job = JobNumber(2);
  ended.id = "smooth-2";
  ended.state = JobState::kFailed;
  ended.spec.origin.ended_at = 999'999'970;
  TakeOver taken;
  taken.saved.marks = {1, 1};
  taken.saved.jobs = {running, ended};
  taken.progress[JobNumber(1)] = {TaskProgress{}};
  script_.Take(std::move(taken));
  script_.set_now_ms(3000);
  EXPECT_DOUBLE_EQ(script_.job(0).elapsed_s, 63);
  EXPECT_DOUBLE_EQ(script_.job(1).elapsed_s, 30);
  EXPECT_EQ(script_.job(1).submitted_at, 999'999'940u);
}

}  // namespace
}  // namespace bellis::test
