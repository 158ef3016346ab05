// Runs of blocks: which workers are told of them, and what handing them in does.

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "tests/broker/core/json.h"
#include "tests/broker/core/script.h"

namespace bellis::test {
namespace {

class BlockRuns : public testing::Test {
 protected:
  /// A broker with a job of 2 by 50 blocks.
  void Begin(const std::string& more = R"("read_write_conflict": false)", bool durable = true) {
    CoreOptions options;
    options.durable = durable;
    script_ = std::make_unique<Script>(options);
    Say("client", R"(["hello", {"role": "client"}])");
    Say("client", R"(["submit", {"req": 1, "job": {"name": "job", "tasks": [{"task_id": "t",
      "total_roi": {"offset": [0, -1], "shape": [20, 502]}, "max_retries": 1,
      "read_roi": {"offset": [0, 0], "shape": [10, 12]}, "external_workers": true,
      "write_roi": {"offset": [0, 1], "shape": [10, 10]}, )" +
                      more + "}]}}]");
    Commit();
  }
  /// The answers to `peer`.
  std::vector<Json> Say(const std::string& peer, const std::string& message) {
    return AnswersTo(peer, script_->Say(peer, message));
  }
  std::vector<Json> Commit(const std::string& peer = "w") {
    std::vector<Json> all;
    for (int i = 0; i < 3; ++i) {  // the last commit is of id marks
      for (Json& one : AnswersTo(peer, script_->Commit())) all.push_back(std::move(one));
    }
    return all;
  }
  /// A worker comes that takes runs. Returns its welcome.
  Json WorkerComes(const std::string& runs = "true", const std::string& peer = "w") {
    const auto answers =
        Say(peer, R"(["hello", {"role": "worker", "session": 7, "heartbeat_ms": 4000, "runs": )" +
                      runs + "}]");
    Commit();
    return answers.at(0).at(1);
  }
  BlockCounts Counts() const { return script_->job().tasks.at(0).counts; }

  std::unique_ptr<Script> script_;

 private:
  static std::vector<Json> AnswersTo(const std::string& peer,
                                     const std::vector<std::string>& lines) {
    std::vector<Json> answers;
    for (const std::string& line : lines) {
      const std::string start = peer + " <- ";
      if (line.starts_with(start)) answers.push_back(Json::parse(line.substr(start.size())));
    }
    return answers;
  }
};

TEST_F(BlockRuns, AreHandedOutAndInAsOne) {
  Begin();
  const Json welcome = WorkerComes();
  EXPECT_EQ(welcome.at("grid"), Json::parse(R"({"shape": [2, 50], "read": [[0, -1], [10, 12]],
      "write": [[0, 0], [10, 10]], "total": [[0, -1], [20, 502]], "fit": "valid"})"));
  const auto work = Say("w", R"(["acquire", {"want": 64}])");
  ASSERT_EQ(work.size(), 1u);
  EXPECT_EQ(work[0], Json::parse(R"(["work", {"blocks": [],
      "runs": [{"lease": 1, "index": 0, "count": 64}]}])"));
  EXPECT_EQ(Counts().leased, 64u);
  const auto more = Say("w", R"(["release", {"runs": [{"lease": 1, "count": 40}], "want": 40}])");
  ASSERT_EQ(more.size(), 1u);
  EXPECT_EQ(more[0].at(1).at("runs"), Json::parse(R"([{"lease": 65, "index": 64, "count": 36}])"));
  EXPECT_EQ(Counts().completed, 0u) << "not on disk yet";
  const auto committed = Commit();
  ASSERT_FALSE(committed.empty());
  EXPECT_EQ(committed[0], Json::parse(R"(["committed", {"leases": [], "dropped": [],
      "runs": [{"lease": 1, "count": 40}]}])"));
  EXPECT_EQ(Counts().completed, 40u);
  Say("w", R"(["release", {"runs": [{"lease": 41, "count": 60}]}])");
  Commit();
  EXPECT_EQ(script_->job().state, JobState::kCompleted);
  EXPECT_EQ(script_->job().tasks.at(0).languages.at(0).blocks, 100u);
}

TEST_F(BlockRuns, AWorkerThatDoesNotSaySoIsToldOfEachBlock) {
  Begin();
  const Json welcome = WorkerComes("false");
  EXPECT_FALSE(welcome.contains("grid"));
  const auto work = Say("w", R"(["acquire", {"want": 3}])");
  ASSERT_EQ(work.size(), 1u);
  EXPECT_FALSE(work[0].at(1).contains("runs"));
  EXPECT_EQ(work[0].at(1).at("blocks").size(), 3u);
}

TEST_F(BlockRuns, MayBeHandedInInPartsInAnyOrder) {
  Begin();
  WorkerComes();
  Say("w", R"(["acquire", {"want": 10}])");
  Say("w", R"(["release", {"runs": [{"lease": 4, "count": 3}, {"lease": 10, "count": 1}]}])");
  Say("w", R"(["release", {"results": [{"lease": 8, "status": "returned"}, {"lease": 1}],
      "runs": [{"lease": 2, "count": 2}]}])");
  Commit();
  EXPECT_EQ(Counts().completed, 7u);
  EXPECT_EQ(Counts().leased, 2u);
  const auto again = Say("w", R"(["acquire", {"want": 2}])");
  EXPECT_EQ(again.at(0).at(1).at("runs").at(0).at("lease"), 11) << "leases only grow";
}

TEST_F(BlockRuns, WhatIsNotHeldIsDroppedAndTheRestCounts) {
  Begin();
  WorkerComes();
  Say("w", R"(["acquire", {"want": 10}])");
  const auto answers = Say("w", R"(["release", {"runs": [{"lease": 9, "count": 4}]}])");
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].at(1).at("dropped"), Json::parse("[11, 12]"));
  Commit();
  EXPECT_EQ(Counts().completed, 2u);
  EXPECT_EQ(Counts().leased, 8u);
}

TEST_F(BlockRuns, OfMoreThan1024LeasesAreRefusedAndChangeNothing) {
  Begin();
  WorkerComes();
  Say("w", R"(["acquire", {"want": 10}])");
  const auto answers = Say("w", R"(["release", {"results": [{"lease": 1}],
      "runs": [{"lease": 2, "count": 9}, {"lease": 2, "count": 1016}], "want": 1}])");
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].at(1).at("code"), "limit");
  EXPECT_EQ(answers[0].at(1).at("message"), "release.runs has 1025 leases; at most 1024 together");
  EXPECT_EQ(Counts().leased, 10u);
}

TEST_F(BlockRuns, RetriesComeAsSingleBlocks) {
  Begin();
  WorkerComes();
  Say("w", R"(["acquire", {"want": 99}])");
  Say("w", R"(["release", {"results": [{"lease": 5, "status": "failed"}],
      "runs": [{"lease": 1, "count": 4}, {"lease": 6, "count": 94}]}])");
  Commit();
  EXPECT_EQ(Counts().completed, 98u);
  const auto retry = Say("w", R"(["acquire", {"want": 2}])");
  ASSERT_EQ(retry.size(), 1u);
  std::vector<uint32_t> attempts;
  for (const Json& block : retry[0].at(1).at("blocks")) attempts.push_back(block.at("attempt"));
  EXPECT_EQ(attempts, (std::vector<uint32_t>{1, 2}));
}

TEST_F(BlockRuns, AreSharedByThoseWhoWait) {
  Begin(R"("read_write_conflict": false, "min_workers": 2)");
  WorkerComes("true", "w");
  Say("v", R"(["hello", {"role": "worker", "session": 8, "heartbeat_ms": 4000, "runs": true}])");
  Commit();
  EXPECT_TRUE(Say("w", R"(["acquire", {"want": 1000}])").empty());
  const auto work = Say("v", R"(["acquire", {"want": 1000}])");
  ASSERT_EQ(work.size(), 1u);
  uint64_t blocks = 0;
  for (const Json& run : work[0].at(1).at("runs")) blocks += run.at("count").get<uint64_t>();
  EXPECT_GE(blocks, 25u);
  EXPECT_LE(blocks, 75u);
}

TEST_F(BlockRuns, OfBlocksThatConflictAreOfOneLevel) {
  Begin(R"("read_write_conflict": true)");
  WorkerComes();
  const auto work = Say("w", R"(["acquire", {"want": 100}])");
  ASSERT_EQ(work.size(), 1u);
  uint64_t blocks = 0;
  for (const Json& run : work[0].at(1).at("runs")) {
    EXPECT_EQ(run.at("count"), 1) << "neighbours conflict";
    ++blocks;
  }
  EXPECT_EQ(blocks, 50u);
}

TEST_F(BlockRuns, ThatAHelloDoesNotListGoBack) {
  Begin();
  WorkerComes();
  Say("w", R"(["acquire", {"want": 50}])");
  const auto answers = Say("w", R"(["hello", {"role": "worker", "session": 7, "worker": 1,
      "greeting": 2, "heartbeat_ms": 4000, "runs": true, "held": [{"lease": 3, "index": 2},
      {"lease": 4, "index": 3}]}])");
  EXPECT_EQ(answers.at(0).at(1).at("held"), Json::parse("[3, 4]"));
  EXPECT_EQ(Counts().leased, 2u);
  EXPECT_EQ(Counts().ready, 98u);
  Say("w", R"(["release", {"runs": [{"lease": 3, "count": 2}]}])");
  Commit();
  EXPECT_EQ(Counts().completed, 2u);
}

}  // namespace
}  // namespace bellis::test
