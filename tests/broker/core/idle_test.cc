// Tasks with release_idle: which workers leave before the task is done, which stay, and which are
// started again.

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/broker/core/json.h"
#include "tests/broker/core/script.h"

namespace bellis::test {
namespace {

using Ids = std::set<std::string>;

class Idle : public testing::Test {
 protected:
  std::string Task(const std::string& id, int blocks, const std::string& more) {
    return R"({"task_id": ")" + id + R"(", "total_roi": {"offset": [0], "shape": [)" +
           std::to_string(blocks * 10) + R"(]}, "read_roi": {"offset": [0], "shape": [10]},
           "write_roi": {"offset": [0], "shape": [10]}, "release_idle": true, )" +
           more + "}";
  }

  void Submit(const std::string& tasks) {
    Say("launcher", R"(["hello", {"role": "launcher", "host": "here", "pid": 7}])");
    Say("client", R"(["hello", {"role": "client"}])");
    Say("client", R"(["submit", {"req": 1, "job": {"name": "job", "tasks": [)" + tasks + "]}}]");
  }

  void Hello(const std::string& worker, const std::string& more = "") {
    Say("w" + worker,
        R"(["hello", {"role": "worker", "job": "job-1", "worker": )" + worker + more + "}]");
  }
  void Visit(const std::string& name, const std::string& more = "") {
    Say(name, R"(["hello", {"role": "worker", "job": "job-1")" + more + "}]");
  }
  void Asks(const std::string& peer, int want = 1) {
    Say(peer, R"(["acquire", {"want": )" + std::to_string(want) + "}]");
  }
  /// The peer releases the first of the blocks that it holds.
  void Releases(const std::string& peer, const std::string& status = "completed", int want = 1) {
    auto& leases = leases_[peer];
    ASSERT_FALSE(leases.empty()) << peer << " has no block";
    const std::string lease = std::to_string(leases.front());
    leases.erase(leases.begin());
    Say(peer, R"(["release", {"results": [{"lease": )" + lease + R"(, "status": ")" + status +
                  R"("}], "want": )" + std::to_string(want) + "}]");
  }
  void Exits(const std::string& worker, int code = 0) {
    Say("launcher",
        R"(["exited", {"worker": )" + worker + R"(, "exit_code": )" + std::to_string(code) + "}]");
  }
  void Say(const std::string& peer, const std::string& text) { Take(script_.Say(peer, text)); }
  void PassTo(int64_t ms) { Take(script_.PassTo(ms)); }

  void Take(const std::vector<std::string>& lines) {
    for (const std::string& line : lines) {
      const size_t at = line.find(" <- ");
      if (at == std::string::npos) continue;
      const std::string peer = line.substr(0, at);
      const Json message = Json::parse(line.substr(at + 4));
      if (message[0] == "leave") left_.insert(peer);
      if (message[0] == "launch") launched_.insert(message[1]["worker"].dump());
      if (message[0] != "work") continue;
      for (const Json& block : message[1]["blocks"]) leases_[peer].push_back(block["lease"]);
    }
  }
  /// Peers that were told to leave, and workers that were launched, since the last call.
  Ids Left() { return std::exchange(left_, {}); }
  Ids Launched() { return std::exchange(launched_, {}); }

  Script script_;
  Ids left_;
  Ids launched_;
  std::map<std::string, std::vector<uint64_t>> leases_;
};

TEST_F(Idle, NobodyLeavesBeforeTheTaskIsDoneUnlessItSaysSo) {
  std::string task = Task("t", 3, R"("workers": [{"command": ["work"], "count": 3}])");
  task.replace(task.find("true"), 4, "false");
  Submit(task);
  for (const std::string worker : {"1", "2", "3"}) Hello(worker), Asks("w" + worker);
  Releases("w2");
  Releases("w3");
  EXPECT_EQ(Left(), Ids());
  Releases("w1");
  EXPECT_EQ(Left(), (Ids{"w1", "w2", "w3"}));
}

TEST_F(Idle, WorkersLeaveWhenFewerBlocksAreLeft) {
  Submit(Task("t", 4, R"("workers": [{"command": ["work"], "count": 4}])"));
  EXPECT_EQ(Launched(), (Ids{"1", "2", "3", "4"}));
  for (const std::string worker : {"1", "2", "3", "4"}) Hello(worker), Asks("w" + worker);
  Releases("w4");
  EXPECT_EQ(Left(), Ids{"w4"});
  Releases("w2");
  Releases("w3");
  EXPECT_EQ(Left(), (Ids{"w2", "w3"}));
  for (const std::string worker : {"2", "3", "4"}) Exits(worker);
  EXPECT_EQ(Launched(), Ids());
  EXPECT_EQ(script_.job().tasks[0].worker_restarts, 0u);
  Releases("w1", "failed");  // the worker that has stayed tries the block again
  EXPECT_EQ(leases_["w1"].size(), 1u);
  EXPECT_EQ(Left(), Ids());
  Exits("1", 3);  // when that worker dies, another tries the block
  PassTo(1000);
  EXPECT_EQ(Launched(), Ids{"5"});
}

TEST_F(Idle, OneThatStaysIsStopped) {
  Submit(Task("t", 2, R"("workers": [{"command": ["work"], "count": 2}])"));
  for (const std::string worker : {"1", "2"}) Hello(worker), Asks("w" + worker);
  Releases("w2");
  const auto lines = script_.PassTo(10'000);
  EXPECT_EQ(std::count(lines.begin(), lines.end(),
                       R"(launcher <- ["stop",{"worker":2,"grace_ms":5000}])"),
            1);
}

TEST_F(Idle, BlocksThatWaitForUpstreamOnesKeepTheirWorkers) {
  Submit(Task("a", 6, R"("workers": [{"command": ["a"], "count": 1}])") + "," +
         Task("b", 6, R"("upstream": ["a"], "external_workers": true)"));
  Hello("1", R"(, "task": "a")");
  for (const std::string name : {"x", "y", "z"}) Visit(name, R"(, "task": "b")"), Asks(name);
  EXPECT_EQ(Left(), Ids());  // all workers wait, and six blocks will become ready
  Asks("w1");
  for (int i = 0; i < 6; ++i) Releases("w1", "completed", i < 5 ? 1 : 0);
  for (int i = 0; i < 2; ++i) Releases("x");
  EXPECT_EQ(Left(), Ids{"w1"});  // its task is done
  Releases("y");
  EXPECT_EQ(leases_["y"].size(), 1u);
  Releases("z");
  EXPECT_EQ(Left(), Ids{"z"});
}

TEST_F(Idle, PausedTaskLetsGoWhoCannotBeOfUse) {
  Submit(Task("t", 2, R"("paused": true, "external_workers": true)"));
  for (const std::string name : {"x", "y", "z"}) Visit(name), Asks(name);
  EXPECT_EQ(Left(), Ids{"z"});
  Say("client", R"(["resume", {"req": 2, "job": "job-1"}])");
  EXPECT_EQ(leases_["x"].size() + leases_["y"].size(), 2u);
  EXPECT_EQ(Left(), Ids());
}

TEST_F(Idle, WhoHoldsBlocksAheadStays) {
  Submit(Task("t", 3, R"("external_workers": true)"));
  Visit("x"), Asks("x", 3);
  Visit("y"), Asks("y");
  Visit("z"), Asks("z");
  EXPECT_EQ(leases_["x"].size(), 3u);
  EXPECT_EQ(Left(), Ids());  // the blocks that x holds ahead may come back
  Releases("x", "completed", 0);
  EXPECT_EQ(Left(), Ids{"z"});
  Releases("x", "returned", 0);
  EXPECT_EQ(leases_["y"].size(), 1u);
  Releases("x", "completed", 0);
  EXPECT_EQ(Left(), Ids());  // y has the last block
}

TEST_F(Idle, ConnectionsOfAWorkerLeaveTogether) {
  Submit(Task("t", 3, R"("workers": [{"command": ["work"], "count": 2}])"));
  Hello("1", R"(, "session": 1)");
  Say("w1b", R"(["hello", {"role": "worker", "job": "job-1", "worker": 1, "session": 2}])");
  Hello("2", R"(, "session": 3)");
  Asks("w1"), Asks("w1b"), Asks("w2");
  Releases("w1b");
  EXPECT_EQ(Left(), Ids());  // two blocks, two workers
  Releases("w2");
  EXPECT_EQ(Left(), Ids{"w2"});
}

TEST_F(Idle, AllConnectionsOfAnIdleWorkerAreTold) {
  Submit(Task("t", 3, R"("workers": [{"command": ["work"], "count": 2}])"));
  Hello("1", R"(, "session": 1)");
  Hello("2", R"(, "session": 2)");
  Say("w2b", R"(["hello", {"role": "worker", "job": "job-1", "worker": 2, "session": 3}])");
  Asks("w1"), Asks("w2"), Asks("w2b");
  Releases("w2");
  EXPECT_EQ(Left(), Ids());
  Releases("w2b");
  EXPECT_EQ(Left(), (Ids{"w2", "w2b"}));
}

TEST_F(Idle, WorkerOfWhichALostConnectionHoldsABlockStays) {
  Submit(Task("t", 3, R"("workers": [{"command": ["work"], "count": 2}])"));
  Hello("1", R"(, "session": 1)");
  Hello("2", R"(, "session": 2, "heartbeat_ms": 1000)");
  Say("w2b", R"(["hello", {"role": "worker", "job": "job-1", "worker": 2, "session": 3}])");
  Asks("w1"), Asks("w2"), Asks("w2b");
  Take(script_.Lose("w2"));
  Releases("w2b");
  Releases("w1");
  EXPECT_EQ(Left(), Ids{"w1"});  // one block is left, with worker 2
}

TEST_F(Idle, CheckersLeaveToo) {
  Submit(Task("t", 2, R"("workers": [{"command": ["work"]}],
                         "check": {"command": ["look"], "count": 3})"));
  EXPECT_EQ(Launched(), (Ids{"1", "2"}));  // no more checkers than there are blocks
  Hello("1", R"(, "duty": "check")"), Asks("w1");
  Hello("2", R"(, "duty": "check")"), Asks("w2");
  EXPECT_EQ(Left(), Ids());
  Releases("w1", "completed");  // the check says yes: the output is there
  EXPECT_EQ(Left(), Ids{"w1"});
  Releases("w2", "failed");
  EXPECT_EQ(Left(), Ids());
}

TEST_F(Idle, WhoCannotBeReplacedStays) {
  Submit(Task("t", 2, R"("workers": [{"command": ["work"], "count": 2}])"));
  for (const std::string worker : {"1", "2"}) Hello(worker), Asks("w" + worker);
  Take(script_.Lose("launcher"));
  Releases("w2");
  EXPECT_EQ(Left(), Ids());
  Say("launcher", R"(["hello", {"role": "launcher", "host": "here", "pid": 7}])");
  EXPECT_EQ(Left(), Ids{"w2"});
}

TEST_F(Idle, NobodyIsStartedWhereExternalWorkersAreEnough) {
  Submit(Task("t", 3, R"("workers": [{"command": ["work"], "count": 2}])"));
  for (const std::string name : {"x", "y", "z"}) Visit(name), Asks(name);
  EXPECT_EQ(Launched(), (Ids{"1", "2"}));
  for (const std::string worker : {"1", "2"}) Hello(worker), Asks("w" + worker);
  EXPECT_EQ(Left(), (Ids{"w1", "w2"}));  // the three blocks are out, with three other workers
  for (const std::string worker : {"1", "2"}) Exits(worker);
  Releases("x", "failed");
  PassTo(40'000);
  EXPECT_EQ(Launched(), Ids());
  EXPECT_EQ(Left(), Ids());
}

TEST_F(Idle, MinWorkersAreWaitedFor) {
  Submit(Task("t", 2, R"("min_workers": 4, "external_workers": true)"));
  Visit("x"), Asks("x");
  EXPECT_EQ(Left(), Ids());
  EXPECT_TRUE(leases_["x"].empty());
  Visit("y"), Asks("y");  // no more workers are needed than there are blocks
  EXPECT_EQ(leases_["x"].size() + leases_["y"].size(), 2u);
  Visit("z"), Asks("z");
  EXPECT_EQ(Left(), Ids{"z"});
}

TEST_F(Idle, WhoLostItsConnectionIsNotCounted) {
  Submit(Task("t", 3, R"("workers": [{"command": ["work"], "count": 3}])"));
  const std::string session = R"(, "session": 9, "heartbeat_ms": 1000)";
  Hello("1", session);
  for (const std::string worker : {"2", "3"}) Hello(worker);
  for (const std::string worker : {"1", "2", "3"}) Asks("w" + worker);
  Take(script_.Lose("w1"));
  Releases("w3");
  EXPECT_EQ(Left(), Ids());  // two blocks are left, and perhaps no other worker comes
  Say("w1",
      R"(["hello", {"role": "worker", "job": "job-1", "worker": 1, "held": [{"lease": 1, "index": 0, "attempt": 1}])" +
          session + "}]");
  EXPECT_EQ(Left(), Ids{"w3"});
}

}  // namespace
}  // namespace bellis::test
