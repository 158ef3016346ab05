// What the protocol's pages say to authors of workers and clients, where the broker once did
// otherwise.

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "tests/broker/core/json.h"
#include "tests/broker/core/script.h"

namespace bellis::test {
namespace {

class ProtocolPage : public testing::Test {
 protected:
  /// A broker with a job of `blocks` blocks side by side.
  void Begin(int blocks, const std::string& more, bool durable = false) {
    CoreOptions options;
    options.durable = durable;
    script_ = std::make_unique<Script>(options);
    Say("client", R"(["hello", {"role": "client"}])");
    Say("client", R"(["submit", {"req": 1, "job": {"name": "job", "tasks": [{"task_id": "t",
      "total_roi": {"offset": [0], "shape": [)" +
                      std::to_string(blocks) + R"(]}, "read_roi": {"offset": [0], "shape": [1]},
      "write_roi": {"offset": [0], "shape": [1]}, )" +
                      more + "}]}}]");
    Commit();
  }
  std::vector<std::string> Say(const std::string& peer, const std::string& message) {
    return script_->Say(peer, message);
  }
  std::vector<std::string> Commit() {
    std::vector<std::string> lines;
    for (int i = 0; i < 3; ++i) {  // the last commit is of id marks
      for (std::string& line : script_->Commit()) lines.push_back(std::move(line));
    }
    return lines;
  }
  void WorkerComes(const std::string& peer, const std::string& more = "") {
    Say(peer, R"(["hello", {"role": "worker", "language": "c++")" + more + "}]");
    Commit();
    Say(peer, R"(["acquire", {"want": 1}])");
    Commit();
  }
  /// Releases block after block as failed. Returns the first answer that is not `work`, or "".
  std::string FailAll(const std::string& peer, int blocks) {
    for (int lease = 1; lease <= blocks; ++lease) {
      const auto answers =
          Say(peer, R"(["release", {"results": [{"lease": )" + std::to_string(lease) +
                        R"(, "status": "failed"}], "want": 1}])");
      for (const std::string& answer : answers) {
        if (answer.starts_with(peer + " <- ") && answer.find("[\"work\"") == std::string::npos) {
          return answer;
        }
      }
    }
    return "";
  }
  Json Answer(const std::string& message) {
    std::vector<std::string> lines = Say("client", message);
    for (std::string& line : Commit()) lines.push_back(std::move(line));
    for (const std::string& line : lines) {
      if (line.starts_with("client <- ")) return Json::parse(line.substr(line.find('[')));
    }
    return {};
  }

  std::unique_ptr<Script> script_;
};

constexpr char kExternal[] = R"("external_workers": true, "max_retries": 0)";

TEST_F(ProtocolPage, AWorkerWithoutALauncherIsNotDrainedForItsFailures) {
  Begin(40, kExternal);
  WorkerComes("w");
  EXPECT_EQ(FailAll("w", 12), "");
}

TEST_F(ProtocolPage, ALaunchedWorkerIsDrainedForItsFailures) {
  Begin(40, R"("workers": [{"command": ["x"], "count": 1}], "max_retries": 0)");
  Say("launcher", R"(["hello", {"role": "launcher", "host": "h", "pid": 2}])");
  WorkerComes("w", R"(, "worker": 1)");
  EXPECT_NE(FailAll("w", 12).find("[\"drain\""), std::string::npos);
}

TEST_F(ProtocolPage, AWorkerThatWasToldToLeaveStillHasItsPingAnswered) {
  Begin(1, kExternal);
  WorkerComes("w");
  EXPECT_EQ(Say("w", R"(["release", {"results": [{"lease": 1}], "want": 1}])"),
            std::vector<std::string>{R"(w <- ["leave",{"reason":"the task is done"}])"});
  EXPECT_EQ(Say("w", R"(["ping", {"nonce": 3}])"),
            std::vector<std::string>{R"(w <- ["pong",{"nonce":3}])"});
  EXPECT_EQ(Say("w", R"(["bye", {}])"), std::vector<std::string>{"forget w"});
}

TEST_F(ProtocolPage, AWorkerWhoseBlockTookTooLongGetsUnknownWorkerAfterItsLeave) {
  Begin(2, R"("external_workers": true, "timeout": 1)");
  WorkerComes("w");
  EXPECT_EQ(script_->PassTo(1000).at(0), R"(w <- ["leave",{"reason":"timeout after 1 s"}])");
  for (const char* message : {R"(["ping", {}])", R"(["acquire", {"want": 1}])",
                              R"(["release", {"results": [{"lease": 1}]}])"}) {
    EXPECT_NE(Say("w", message).at(0).find("\"unknown_worker\""), std::string::npos) << message;
  }
  EXPECT_EQ(Say("w", R"(["bye", {}])"), std::vector<std::string>{"forget w"});
}

TEST_F(ProtocolPage, AJobThatHasEndedCannotContinueWithoutAStateDirectory) {
  Begin(1, kExternal);
  Say("client", R"(["cancel", {"job": "job-1"}])");
  const Json error = Answer(R"(["retry_failed", {"req": 2, "job": "job-1"}])");
  EXPECT_EQ(error[1]["code"], "storage");
  EXPECT_NE(error[1]["message"].get<std::string>().find("no state directory"), std::string::npos);
}

TEST_F(ProtocolPage, RetryFailedCountsAllBlocksThatAreOpenAgain) {
  Begin(301, R"("external_workers": true, "max_retries": 0)", /*durable=*/true);
  WorkerComes("w", R"(, "session": 4)");
  FailAll("w", 2);
  Commit();
  EXPECT_EQ(Answer(R"(["retry_failed", {"req": 2, "job": "job-1"}])")[1]["blocks"], 2);
  Say("client", R"(["cancel", {"req": 3, "job": "job-1"}])");
  Commit();
  EXPECT_TRUE(Say("client", R"(["retry_failed", {"req": 4, "job": "job-1"}])").empty());
  script_->Load({JobNumber(1), std::vector<TaskProgress>(1)});
  const std::vector<std::string> lines = Commit();
  EXPECT_NE(std::find(lines.begin(), lines.end(),
                      R"(client <- ["retried",{"req":4,"job":"job-1","blocks":301}])"),
            lines.end());
}

TEST_F(ProtocolPage, AResultThatIsHandedInTwiceIsDroppedTheSecondTime) {
  Begin(2, kExternal, /*durable=*/true);
  WorkerComes("w", R"(, "session": 4)");
  const std::string release = R"(["release", {"results": [{"lease": 1}]}])";
  Say("w", release);
  EXPECT_EQ(Commit().at(0), R"(w <- ["committed",{"leases":[1],"dropped":[]}])");
  EXPECT_EQ(Say("w", release).at(0), R"(w <- ["committed",{"leases":[],"dropped":[1]}])");
  EXPECT_EQ(script_->job().tasks[0].counts.completed, 1u);
}

TEST_F(ProtocolPage, ExplainNamesNoHostIfItIsUnknown) {
  Begin(2, kExternal);
  WorkerComes("w", R"(, "pid": 77)");
  script_->Lose("w");
  const std::string text = Answer(R"(["explain", {"req": 2, "job": "job-1", "block": 0}])").dump();
  EXPECT_NE(text.find("(pid 77)"), std::string::npos) << text;
}

constexpr char kWithHeartbeats[] = R"(, "session": 4, "greeting": 1, "heartbeat_ms": 1000)";

TEST_F(ProtocolPage, TheResultsOfAReleaseCountEvenIfItsWantIsRefused) {
  Begin(2, kExternal);
  WorkerComes("w");
  Say("w", R"(["acquire", {"want": 1023}])");
  const auto answers = Say("w", R"(["release", {"results": [{"lease": 1}], "want": 1024}])");
  EXPECT_NE(answers.at(0).find("\"limit\""), std::string::npos);
  EXPECT_EQ(script_->job().tasks[0].counts.completed, 1u);
}

TEST_F(ProtocolPage, AWorkerWithHeartbeatsWhoseBlockTookTooLongGetsNoPong) {
  Begin(2, R"("external_workers": true, "timeout": 1)");
  WorkerComes("w", kWithHeartbeats);
  EXPECT_EQ(script_->PassTo(1000).at(0), R"(w <- ["leave",{"reason":"timeout after 1 s"}])");
  EXPECT_TRUE(Say("w", R"(["ping", {"nonce": 1}])").empty());
}

TEST_F(ProtocolPage, AnEqualGreetingIsNotStale) {
  Begin(2, kExternal);
  WorkerComes("w", kWithHeartbeats);
  const auto hello = [&](int greeting) {
    return Say("w", R"(["hello", {"role": "worker", "worker": 1, "session": 4, "greeting": )" +
                        std::to_string(greeting) +
                        R"(, "heartbeat_ms": 1000, "held": [{"lease": 1, "index": 0}]}])")
        .at(0);
  };
  EXPECT_NE(hello(2).find("\"held\":[1]"), std::string::npos);
  EXPECT_NE(hello(2).find("\"held\":[1]"), std::string::npos);
  EXPECT_NE(hello(1).find("\"hello_first\""), std::string::npos);
}

TEST_F(ProtocolPage, AWorkersHelloNamesAJobByItsIdOnly) {
  Begin(2, kExternal);
  EXPECT_NE(Say("w", R"(["hello", {"role": "worker", "job": "job"}])").at(0).find("unknown_job"),
            std::string::npos);
  EXPECT_NE(Say("w", R"(["hello", {"role": "worker", "job": "job-1"}])").at(0).find("welcome"),
            std::string::npos);
}

TEST_F(ProtocolPage, APulseNeedsItsRoleTheWorkersNumberAndItsSession) {
  Begin(2, kExternal);
  WorkerComes("w", kWithHeartbeats);
  EXPECT_NE(Say("p", R"(["hello", {"role": "pulse", "worker": 1, "session": 4}])")
                .at(0)
                .find("\"lease_ms\""),
            std::string::npos);
  EXPECT_EQ(Say("p", R"(["ping", {"nonce": 1}])"),
            std::vector<std::string>{R"(p <- ["pong",{"nonce":1}])"});
}

TEST_F(ProtocolPage, AResultThatWasTakenIsNotHeldAndCountsAfterABye) {
  Begin(2, kExternal, /*durable=*/true);
  WorkerComes("w", kWithHeartbeats);
  Say("w", R"(["release", {"results": [{"lease": 1}]}])");
  const std::string welcome =
      Say("w", R"(["hello", {"role": "worker", "worker": 1, "session": 4, "greeting": 2,
                             "heartbeat_ms": 1000, "held": [{"lease": 1, "index": 0}]}])")
          .at(0);
  EXPECT_NE(welcome.find("welcome"), std::string::npos);
  EXPECT_EQ(welcome.find("\"held\""), std::string::npos);
  Say("w", R"(["bye", {}])");
  Commit();
  EXPECT_EQ(script_->job().tasks[0].counts.completed, 1u);
}

TEST_F(ProtocolPage, WithoutAStateDirectoryTheSameNameIsASecondJob) {
  Begin(2, kExternal);
  EXPECT_EQ(Answer(R"(["submit", {"req": 2, "job": {"name": "job", "tasks": [{"task_id": "t",
      "total_roi": [[0], [2]], "read_roi": [[0], [1]], "write_roi": [[0], [1]],
      "external_workers": true}]}}])")[1]["job"],
            "job-2");
}

TEST_F(ProtocolPage, AWatchOfAJobThatHasEndedIsAnsweredAtOnce) {
  Begin(2, kExternal);
  Say("client", R"(["cancel", {"job": "job-1"}])");
  EXPECT_EQ(Answer(R"(["watch", {"req": 3, "job": "job-1"}])")[0], "ended");
}

TEST_F(ProtocolPage, AByeWithSeveralBlocksInHandIsNoFailedAttempt) {
  Begin(4, kExternal);
  WorkerComes("w");
  Say("w", R"(["acquire", {"want": 1}])");
  Say("w", R"(["bye", {}])");
  EXPECT_EQ(script_->job().tasks[0].counts.failed, 0u);
  EXPECT_EQ(script_->job().tasks[0].counts.ready, 4u);
}

TEST_F(ProtocolPage, AByeWithOneBlockInHandIsAFailedAttempt) {
  Begin(4, kExternal);
  WorkerComes("w");
  Say("w", R"(["bye", {}])");
  EXPECT_EQ(script_->job().tasks[0].counts.failed, 1u);
}

}  // namespace
}  // namespace bellis::test
