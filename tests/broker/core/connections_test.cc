// Several connections under one worker id: the hello of one never ends the leases of another.

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "tests/broker/core/script.h"
#include "tests/broker/journal/record_model.h"

namespace bellis::test {
namespace {

bool Has(const std::vector<std::string>& lines, const std::string& text) {
  return std::any_of(lines.begin(), lines.end(),
                     [&](const std::string& line) { return line.find(text) != std::string::npos; });
}

/// A broker that keeps its state, a job of four blocks whose neighbours conflict, and a launched
/// worker (number 1, pid 100).
class Connections : public testing::Test {
 protected:
  void SetUp() override { Begin(""); }

  void Begin(const std::string& more) {
    disk_ = RecordModel();
    Start();
    Say("client", R"(["submit", {"req": 1, "job": {"name": "job", "tasks": [{"task_id": "a",
      "total_roi": {"offset": [-5], "shape": [50]}, "read_roi": {"offset": [-5], "shape": [20]},
      "write_roi": {"offset": [0], "shape": [10]}, "max_retries": 0, )" +
                      more + R"("workers": [{"command": ["work"], "count": )" +
                      std::to_string(count_) + "}]}]}}]");
    Launcher();
  }
  void Start() {
    options_.durable = true;
    script_ = std::make_unique<Script>(options_);
    Keep(script_->Take(disk_.take_over()));
    Commit();
    Say("client", R"(["hello", {"role": "client"}])");
  }
  void Launcher() {
    Say("l", R"(["hello", {"role": "launcher", "host": "h", "machine": "m", "pid": 7}])");
    Say("l", R"(["launched", {"worker": 1, "pid": 100}])");
  }
  /// A hello under worker id 1, or another id.
  std::vector<std::string> Hello(const std::string& peer, uint64_t session, int pid,
                                 uint64_t worker = 1, const std::string& held = "[]") {
    return Say(peer, R"(["hello", {"role": "worker", "task": "a", "host": "h", "machine": "m",
      "worker": )" + std::to_string(worker) +
                         ", \"session\": " + std::to_string(session) +
                         ", \"pid\": " + std::to_string(pid) + ", \"held\": " + held + "}]");
  }
  std::vector<std::string> Ask(const std::string& peer) {
    return Say(peer, R"(["acquire", {"want": 1}])");
  }
  std::vector<std::string> Say(const std::string& peer, const std::string& message) {
    std::vector<std::string> lines = Keep(script_->Say(peer, message));
    for (auto& line : Commit()) lines.push_back(std::move(line));
    return lines;
  }
  std::vector<std::string> Lose(const std::string& peer) { return Keep(script_->Lose(peer)); }
  std::vector<std::string> Exited(uint64_t worker, int code) {
    return Say("l", R"(["exited", {"worker": )" + std::to_string(worker) + R"(, "exit_code": )" +
                        std::to_string(code) + "}]");
  }
  void Ended(uint64_t worker, int64_t pid) {
    Keep(script_->Ended(worker, pid));
    Commit();
  }
  uint64_t leased() { return script_->job().tasks[0].counts.leased; }
  uint64_t failures() { return script_->job().tasks[0].failures_total; }

  int count_ = 1;
  CoreOptions options_;
  std::unique_ptr<Script> script_;

 private:
  std::vector<std::string> Commit() {
    std::vector<std::string> lines;
    for (int i = 0; i < 3; ++i) {
      for (auto& line : Keep(script_->Commit())) lines.push_back(std::move(line));
    }
    return lines;
  }
  std::vector<std::string> Keep(std::vector<std::string> lines) {
    for (const Record& record : script_->effects().records) disk_.Take(record);
    return lines;
  }

  RecordModel disk_;
};

TEST_F(Connections, ASecondProcessDoesNotEndTheLeasesOfTheFirst) {
  Hello("a", 11, 100);
  ASSERT_TRUE(Has(Ask("a"), "\"work\""));
  EXPECT_TRUE(Has(Hello("b", 12, 101), "\"worker\":2"));
  EXPECT_EQ(leased(), 1u);
  EXPECT_TRUE(Has(Ask("b"), "\"index\":3")) << "what conflicts with block 1 waits";
  EXPECT_TRUE(Has(Hello("c", 13, 102), "\"worker\":3"));
  EXPECT_FALSE(Has(Ask("c"), "\"work\"")) << "nothing that is left may run beside these";
  Say("a", R"(["release", {"results": [{"lease": 1}]}])");
  Say("b", R"(["release", {"results": [{"lease": 2}]}])");
  EXPECT_EQ(script_->job().tasks[0].counts.completed, 2u);
  EXPECT_EQ(failures(), 0u);
}

TEST_F(Connections, AProcessThatIsToBeStoppedGetsNoFurtherBlock) {
  Begin(R"("external_workers": true, "unsafe_leases": true, )");
  const std::string hello = R"(["hello", {"role": "worker", "task": "a", "worker": 1}])";
  Say("a", hello);
  ASSERT_TRUE(Has(Ask("a"), "\"index\":1"));
  ASSERT_TRUE(Has(Hello("v", 5, 500, 0), "\"worker\":2"));
  ASSERT_TRUE(Has(Ask("v"), "\"index\":3"));
  ASSERT_TRUE(Has(Say("b", hello), "\"worker\":3"));
  EXPECT_TRUE(Has(Lose("b"), "l <- [\"stop\",{\"worker\":1"))
      << "a connection without a session or a pid cannot come back";
  Ask("a");
  EXPECT_FALSE(Has(Say("v", R"(["release", {"results": [{"lease": 2, "status": "returned"}]}])"),
                   "\"work\""))
      << "the block would be blamed for the end of the process";
  EXPECT_TRUE(Has(Ask("v"), "\"index\":3"));
}

TEST_F(Connections, ConnectionsOfAPlaceCountAsOneWorker) {
  count_ = 2;
  Begin(R"("min_workers": 2, )");
  Hello("a", 11, 100);
  Hello("b", 12, 101);
  Ask("a");
  Ask("b");
  EXPECT_EQ(leased(), 0u) << "two connections are one worker of the two that are waited for";
}

TEST_F(Connections, AConnectionThatBreaksIsKnownAgainByItsSession) {
  Hello("a", 11, 100);
  Hello("b", 12, 101);
  ASSERT_TRUE(Has(Ask("b"), "\"lease\":1"));
  Lose("b");
  const std::string held = R"([{"lease": 1, "index": 1, "attempt": 1}])";
  EXPECT_TRUE(Has(Hello("b2", 12, 101, 1, held), R"("worker":2,"durable":true,"held":[1])"));
  EXPECT_TRUE(Has(Hello("b3", 12, 101, 2, held), R"("worker":2,"durable":true,"held":[1])"));
  EXPECT_TRUE(
      Has(Say("p", R"(["hello", {"role": "pulse", "worker": 2, "session": 12}])"), "\"welcome\""));
}

TEST_F(Connections, AClientForEachBlockLosesNothing) {
  Hello("a", 11, 100);
  ASSERT_TRUE(Has(Ask("a"), "\"lease\":1"));
  Hello("b", 12, 100);  // overtakes the release and the bye of the first client
  Say("a", R"(["release", {"results": [{"lease": 1}]}])");
  Say("a", R"(["bye", {}])");
  ASSERT_TRUE(Has(Ask("b"), "\"lease\":2"));
  EXPECT_TRUE(Has(Hello("c", 13, 100), "\"worker\":1")) << "nobody has the number any more";
  Say("b", R"(["release", {"results": [{"lease": 2}]}])");
  Say("b", R"(["bye", {}])");
  EXPECT_TRUE(Has(Hello("a2", 11, 100), "unknown_worker")) << "late, and over";
  EXPECT_FALSE(Has(script_->PassTo(300'000), "\"stop\"")) << "one is there";
  Say("c", R"(["bye", {}])");
  EXPECT_TRUE(Has(script_->PassTo(400'000), "\"stop\"")) << "nobody is, for a minute";
  EXPECT_EQ(failures(), 0u);
}

TEST_F(Connections, TheExitOfTheWorkerEndsAllConnections) {
  Hello("a", 11, 100);
  Hello("b", 12, 101);
  Ask("a");
  Ask("b");
  ASSERT_EQ(leased(), 2u);
  Exited(1, 3);
  EXPECT_EQ(leased(), 0u);
  EXPECT_EQ(failures(), 0u) << "either may have ended it";
  EXPECT_TRUE(Has(Say("b", R"(["ping", {}])"), "unknown_worker"));
}

TEST_F(Connections, ATimeoutOfOneConnectionDoesNotCountAgainstTheOthers) {
  Begin(R"("timeout": 5, "max_retries": 3, )");
  Hello("a", 11, 100);
  Hello("b", 12, 101);
  Ask("a");
  script_->PassTo(4'000);
  Ask("b");
  ASSERT_TRUE(Has(script_->PassTo(5'000), "\"stop\""));
  ASSERT_EQ(leased(), 2u) << "not before its process is gone";
  Exited(1, 0);
  EXPECT_EQ(leased(), 0u);
  EXPECT_EQ(failures(), 1u);
}

TEST_F(Connections, AByeDoesNotFreeABlockWhoseProcessIsToBeStopped) {
  Begin(R"("timeout": 5, "max_retries": 3, )");
  Hello("a", 11, 100);
  Hello("b", 12, 101);
  Ask("b");
  ASSERT_TRUE(Has(script_->PassTo(5'000), "\"stop\""));
  Say("b", R"(["bye", {}])");
  EXPECT_EQ(leased(), 1u) << "its process may still work on it";
  Exited(1, 0);
  EXPECT_EQ(leased(), 0u);
  EXPECT_EQ(failures(), 1u);
}

TEST_F(Connections, AStartedProcessThatIsGoneEndsItsOwnLeasesOnly) {
  Hello("a", 11, 101);  // the launcher's own process, 100, has no connection
  Hello("b", 12, 102);
  Ask("a");
  Ask("b");
  Lose("a");
  Ended(1, 100);  // the report names another pid
  Ended(1, 101);
  EXPECT_EQ(leased(), 2u) << "an exit may be reported yet, which tells more";
  script_->PassTo(3'000);
  Ended(1, 101);
  EXPECT_EQ(leased(), 1u);
  EXPECT_EQ(failures(), 1u);
  Lose("b");
  Ended(2, 102);
  EXPECT_EQ(leased(), 0u);
}

TEST_F(Connections, TheLaunchedProcessItselfIsOverWhenItsLauncherSaysSo) {
  Hello("a", 11, 100);
  Ask("a");
  Lose("a");
  Ended(1, 100);
  script_->PassTo(3'000);
  Ended(1, 100);
  EXPECT_EQ(leased(), 1u) << "its children may live";
  Exited(1, 1);
  EXPECT_EQ(leased(), 0u);
}

TEST_F(Connections, ARestartedBrokerWaitsForConnectionsThatHaveNotSaidBye) {
  Hello("a", 11, 100);
  Hello("b", 12, 101);
  ASSERT_TRUE(Has(Ask("b"), "\"lease\":1"));
  Say("a", R"(["bye", {}])");
  Start();
  Launcher();
  EXPECT_TRUE(Has(Hello("c", 13, 103), "\"worker\":1"));
  EXPECT_FALSE(Has(Ask("c"), "\"work\"")) << "worker 2 may hold block 1";
  EXPECT_TRUE(
      Has(Hello("b", 12, 101, 2, R"([{"lease": 1, "index": 1, "attempt": 1}])"), "\"held\":[1]"));
  EXPECT_EQ(leased(), 2u);
  Exited(1, 1);
  EXPECT_EQ(leased(), 0u) << "it is of the worker still";
}

TEST_F(Connections, AConnectionThatSaysHelloAsAClientIsNotAWorkerAnyMore) {
  Hello("a", 0, 0);
  Ask("a");
  EXPECT_TRUE(Has(Say("a", R"(["hello", {"role": "client"}])"), "\"stop\""))
      << "it has no session, and its process is not known: it cannot come back";
  EXPECT_TRUE(Has(Ask("a"), "wrong_role"));
  EXPECT_EQ(script_->job().tasks[0].workers_live, 0u);
}

TEST_F(Connections, AConnectionThatComesWhenTheTaskIsDoneIsToldSoAndNotCounted) {
  Begin(R"("external_workers": true, )");
  Hello("a", 11, 300);
  Say("client", R"(["cancel", {"req": 2, "job": "job-1"}])");
  const auto told = Say("b", R"(["hello", {"role": "worker", "job": "job-1", "task": "a",
    "worker": 1, "session": 12}])");
  EXPECT_TRUE(Has(told, "\"worker\":2") && Has(told, "\"leave\""));
  Say("b", R"(["bye", {}])");
  EXPECT_EQ(script_->job().tasks[0].workers_live, 0u);
}

TEST_F(Connections, AWorkerHasABoundedNumber) {
  for (uint64_t session = 1; session <= 1024; ++session) {
    ASSERT_TRUE(Has(Hello("p" + std::to_string(session), session, 100), "\"welcome\""));
  }
  EXPECT_TRUE(Has(Hello("more", 2000, 100), "\"limit\""));
}

/// The worker of PROTOCOL.md "A whole worker" has no session.
TEST_F(Connections, AMinimalWorkerIsKnownAgainByItsProcess) {
  Hello("a", 0, 100);
  ASSERT_TRUE(Has(Ask("a"), "\"lease\":1"));
  EXPECT_TRUE(Has(Hello("b", 0, 101), "\"worker\":2")) << "another process";
  EXPECT_TRUE(Has(Hello("c", 0, 100), "\"worker\":3")) << "another thread of the first";
  EXPECT_EQ(leased(), 1u);
  Lose("a");
  EXPECT_TRUE(Has(Hello("a2", 0, 100), "\"worker\":1"));
  EXPECT_EQ(leased(), 0u) << "it says that it has nothing";
  EXPECT_EQ(failures(), 0u);
}

TEST_F(Connections, AMinimalWorkerIsKnownAgainByARestartedBroker) {
  Hello("a", 0, 100);
  ASSERT_TRUE(Has(Ask("a"), "\"lease\":1"));
  Start();
  Launcher();
  EXPECT_TRUE(Has(Hello("a", 0, 100), "\"worker\":1"));
  EXPECT_TRUE(Has(Ask("a"), "\"index\":1")) << "nobody else is waited for";
  EXPECT_EQ(failures(), 0u);
}

TEST_F(Connections, AnExternalWorkerIsKnownWithItsNumberOrWithout) {
  for (const uint64_t number : {0, 1}) {
    Begin(R"("unsafe_leases": true, "external_workers": true, )");
    Exited(1, 0);
    Hello("a", 0, 300, 0);
    ASSERT_TRUE(Has(Ask("a"), "\"lease\":1"));
    Start();
    EXPECT_TRUE(Has(Hello("a", 0, 300, number == 0 ? 0 : 2), "\"worker\":2")) << number;
    EXPECT_TRUE(Has(Ask("a"), "\"index\":1")) << number;
  }
}

}  // namespace
}  // namespace bellis::test
