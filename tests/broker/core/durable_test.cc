// A broker that keeps its state: which messages wait for the disk, and who is told what is on disk.

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/broker/core/script.h"

namespace bellis::test {
namespace {

constexpr char kTask[] = R"("total_roi": {"offset": [0], "shape": [30]},
  "read_roi": {"offset": [0], "shape": [10]}, "write_roi": {"offset": [0], "shape": [10]},
  "read_write_conflict": false, "external_workers": true)";
constexpr char kHello[] = R"(["hello", {"role": "worker", "task": "a", "session": 5,
  "heartbeat_ms": 1000}])";

class Durable : public testing::Test {
 protected:
  Durable() : script_(Options()) {
    script_.Say("client", R"(["hello", {"role": "client"}])");
    script_.Say("client", std::string(R"(["submit", {"req": 1, "job": {"name": "job", "tasks": [
      {"task_id": "a", )") + kTask +
                              R"(}, {"task_id": "b", "upstream": ["a"], )" + kTask + "}]}}]");
    script_.Commit();
    script_.Say("w", kHello);
    script_.Commit();
  }

  static CoreOptions Options() {
    CoreOptions options;
    options.durable = true;
    return options;
  }

  const BlockCounts& counts(size_t task) {
    job_ = script_.job();
    return job_.tasks[task].counts;
  }
  static bool Has(const std::vector<std::string>& lines, const std::string& text) {
    return std::any_of(lines.begin(), lines.end(), [&](const std::string& line) {
      return line.find(text) != std::string::npos;
    });
  }

  Script script_;
  JobStatus job_;
};

TEST_F(Durable, WhatDependsOnABlockWaitsForTheDisk) {
  script_.Say("w", R"(["acquire", {"want": 1}])");
  const auto next = script_.Say("w", R"(["release", {"results": [{"lease": 1}], "want": 1}])");
  EXPECT_TRUE(Has(next, "\"lease\":2")) << "what conflicts with nothing does not wait";
  EXPECT_FALSE(Has(next, "committed"));
  EXPECT_EQ(counts(1).ready, 0u);
  EXPECT_TRUE(Has(script_.Commit(), R"(["committed",{"leases":[1])"));
  EXPECT_EQ(counts(1).ready, 1u);
}

TEST_F(Durable, AResultOfALeaseThatIsOverIsDropped) {
  const auto answer = script_.Say("w", R"(["release", {"results": [{"lease": 77}]}])");
  EXPECT_TRUE(Has(answer, R"("dropped":[77])"));
}

TEST_F(Durable, AJobEndsThoughABlockIsNotOnDiskYet) {
  script_.Say("w", R"(["acquire", {"want": 1}])");
  script_.Say("w", R"(["release", {"results": [{"lease": 1}]}])");
  script_.Say("client", R"(["cancel", {"req": 2, "job": "job-1"}])");
  EXPECT_EQ(script_.job().state, JobState::kCancelled);
  EXPECT_EQ(counts(0).completed, 1u);
}

TEST_F(Durable, NothingIsHandedOutWhenTheDiskIsInTroubleForLong) {
  // A session that is not on record holds no leases.
  script_.Say("late", R"(["hello", {"role": "worker", "task": "a", "session": 6,
    "heartbeat_ms": 1000}])");
  EXPECT_FALSE(Has(script_.Say("late", R"(["acquire", {"want": 1}])"), "work"));
  EXPECT_TRUE(Has(script_.Commit(), "\"work\""));
}

TEST_F(Durable, ASerialJobDoesNotWaitForTheCommitThatEndsAGroup) {
  Script script(Options());
  script.Say("client", R"(["hello", {"role": "client"}])");
  script.Say("client", std::string(R"(["submit", {"req": 1, "job": {"name": "one", "serial": true,
    "tasks": [{"task_id": "a", )") +
                           kTask + "}]}}]");
  script.Commit();
  script.Say("w", kHello);
  script.Commit();
  script.Say("w", R"(["acquire", {"want": 1}])");
  script.Say("w", R"(["release", {"results": [{"lease": 1}], "want": 1}])");
  EXPECT_TRUE(script.effects().commit_now) << "nothing else can be done";
  EXPECT_TRUE(Has(script.Commit(), "\"lease\":2"));
}

TEST_F(Durable, APausedTaskHandsOutNothing) {
  EXPECT_FALSE(
      Has(script_.Say("client", R"(["pause", {"req": 3, "job": "job-1", "task": "a"}])"), "ok"))
      << "it is not on disk";
  EXPECT_TRUE(Has(script_.Commit(), R"(["ok",{"req":3}])"));
  EXPECT_FALSE(Has(script_.Say("w", R"(["acquire", {"want": 1}])"), "work"));
  EXPECT_TRUE(Has(script_.Say("client", R"(["resume", {"req": 4, "job": "job-1"}])"), "work"));
}

}  // namespace
}  // namespace bellis::test
