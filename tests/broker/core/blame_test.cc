// Which blocks of a lost worker count as failed.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/broker/core/script.h"

namespace bellis::test {
namespace {

/// A job of six blocks that do not conflict, with `max_retries` 0 and a launcher.
class Blame : public testing::Test {
 protected:
  void Begin(const std::string& more, int workers = 2) {
    Say("client", R"(["hello", {"role": "client"}])");
    Say("client", R"(["submit", {"req": 1, "job": {"name": "job", "tasks": [{"task_id": "a",
      "total_roi": {"offset": [0], "shape": [60]}, "read_roi": {"offset": [0], "shape": [10]},
      "write_roi": {"offset": [0], "shape": [10]}, "max_retries": 0, )" +
                      more + R"("workers": [{"command": ["work"], "count": )" +
                      std::to_string(workers) + "}]}]}}]");
    Say("l", R"(["hello", {"role": "launcher", "host": "h", "machine": "m", "pid": 7}])");
  }
  void Hello(const std::string& peer, int worker, int session = 1) {
    Say(peer, R"(["hello", {"role": "worker", "job": "job-1", "task": "a", "worker": )" +
                  std::to_string(worker) + ", \"session\": " + std::to_string(session) + "}]");
  }
  /// Asks for blocks; returns the ids of the leases that come.
  std::vector<int> Ask(const std::string& peer, int want) {
    return Leases(Say(peer, R"(["acquire", {"want": )" + std::to_string(want) + "}]"), peer);
  }
  std::vector<int> Release(const std::string& peer, int lease, const std::string& to = "") {
    return Leases(
        Say(peer, R"(["release", {"results": [{"lease": )" + std::to_string(lease) + "}]}]"),
        to.empty() ? peer : to);
  }
  std::vector<std::string> Exited(int worker, const std::string& working) {
    return Say("l", R"(["exited", {"worker": )" + std::to_string(worker) +
                        R"(, "signal": 6, "working": [)" + working + "]}]");
  }
  std::vector<std::string> Say(const std::string& peer, const std::string& message) {
    return script_.Say(peer, message);
  }
  static std::vector<int> Leases(const std::vector<std::string>& lines, const std::string& to) {
    std::vector<int> leases;
    const std::string name = "\"lease\":";
    for (const std::string& line : lines) {
      if (line.rfind(to + " <- [\"work\"", 0) != 0) continue;
      for (size_t at = line.find(name); at != std::string::npos; at = line.find(name, at + 1)) {
        leases.push_back(std::stoi(line.substr(at + name.size())));
      }
    }
    return leases;
  }
  TaskStatus task() { return script_.job().tasks[0]; }

  Script script_;
};

using Leased = std::vector<int>;

TEST_F(Blame, TheBlockThatTheProcessNotedIsTheOneThatFails) {
  Begin("");
  Hello("w", 1);
  ASSERT_EQ(Ask("w", 3), (Leased{1, 2, 3}));
  // The result of the first block was lost with the process.
  Exited(1, R"({"worker": 1, "lease": 2})");
  EXPECT_EQ(task().counts.failed, 1u);
  EXPECT_EQ(task().counts.ready, 5u);
  ASSERT_EQ(task().failures.size(), 1u);
  EXPECT_EQ(task().failures[0].index, 1u);
  Hello("w2", 2);
  EXPECT_EQ(Ask("w2", 6).size(), 5u) << "the others are handed out as ever";
}

TEST_F(Blame, NoBlockFailsIfTheWorkerWorkedOnNone) {
  Begin("");
  Hello("w", 1);
  ASSERT_EQ(Ask("w", 3).size(), 3u);
  Exited(1, R"({"worker": 1, "lease": 0})");
  EXPECT_EQ(task().failures_total, 0u);
  EXPECT_EQ(task().counts.ready, 6u);
}

TEST_F(Blame, ASingleBlockIsToBlameWhereNobodyKnows) {
  Begin("");
  Hello("w", 1);
  ASSERT_EQ(Ask("w", 1).size(), 1u);
  Exited(1, "");
  EXPECT_EQ(task().counts.failed, 1u);
}

TEST_F(Blame, EachOfSeveralBlocksIsHandedOutAloneIfNobodyKnows) {
  Begin("");
  Hello("w", 1);
  Hello("w2", 2);
  ASSERT_EQ(Ask("w2", 1), (Leased{1}));
  ASSERT_EQ(Ask("w", 5), (Leased{2, 3, 4, 5, 6}));
  Exited(1, "");
  EXPECT_EQ(task().failures_total, 0u);
  EXPECT_EQ(Ask("w2", 2), (Leased{})) << "it holds a block";
  EXPECT_EQ(Release("w2", 1), (Leased{7})) << "one of them, alone";
  EXPECT_EQ(Release("w2", 7), (Leased{8}));
  Exited(2, "");
  EXPECT_EQ(task().failures_total, 1u) << "it was alone";
  script_.PassTo(1'000);  // until other workers are started
  Hello("w3", 3);
  EXPECT_EQ(Ask("w3", 9), (Leased{9}));
  Hello("w4", 4);
  EXPECT_EQ(Ask("w4", 9), (Leased{10}));
  EXPECT_EQ(Release("w3", 9), (Leased{11}));
  EXPECT_EQ(Release("w4", 10), (Leased{}));
  Release("w3", 11);
  EXPECT_EQ(task().counts.completed, 5u);
  EXPECT_EQ(task().counts.failed, 1u);
}

TEST_F(Blame, BlocksThatAreNotInDoubtAreHandedOutTogetherMeanwhile) {
  Begin("");
  Hello("w", 1);
  Hello("w2", 2);
  ASSERT_EQ(Ask("w", 2), (Leased{1, 2}));
  Exited(1, "");
  EXPECT_EQ(Ask("w2", 4), (Leased{3, 4, 5, 6})) << "those that nobody had";
  EXPECT_EQ(Ask("w2", 1), (Leased{}));
  for (const int lease : {3, 4, 5}) EXPECT_EQ(Release("w2", lease), (Leased{}));
  EXPECT_EQ(Release("w2", 6), (Leased{7}));
}

TEST_F(Blame, OfSeveralConnectionsTheOneThatWorkedIsToBlame) {
  Begin("");
  Hello("w", 1, 1);
  Hello("child", 1, 2);  // worker 3
  ASSERT_EQ(Ask("w", 2), (Leased{1, 2}));
  ASSERT_EQ(Ask("child", 2), (Leased{3, 4}));
  Exited(1, R"({"worker": 1, "lease": 0}, {"worker": 3, "lease": 3})");
  EXPECT_EQ(task().counts.failed, 1u);
  EXPECT_EQ(task().failures.at(0).index, 2u);
  EXPECT_EQ(task().counts.ready, 5u);
}

TEST_F(Blame, TheNoteOfAFormerProcessWithTheNumberDoesNotExcuseABlock) {
  Begin("");
  Hello("w", 1, 1);
  ASSERT_EQ(Ask("w", 3), (Leased{1, 2, 3}));
  Exited(1, R"({"worker": 1, "lease": 0}, {"worker": 1, "lease": 2})");
  EXPECT_EQ(task().counts.failed, 1u);
  EXPECT_EQ(task().failures.at(0).index, 1u);
}

TEST_F(Blame, ABlockThatTimedOutIsToBlameEvenIfItsWorkerSaysBye) {
  Begin(R"("timeout": 5, "external_workers": true, )");
  Say("w", R"(["hello", {"role": "worker", "job": "job-1", "task": "a", "session": 1,
      "heartbeat_ms": 1000}])");
  ASSERT_EQ(Ask("w", 2), (Leased{1, 2}));
  script_.PassTo(6'000);
  Say("w", R"(["bye", {}])");
  EXPECT_EQ(task().failures_total, 1u);
  EXPECT_EQ(task().failures.at(0).index, 0u);
  EXPECT_EQ(task().failures.at(0).error, "timeout after 5 s");
}

TEST_F(Blame, TwoBlocksAtTheSameTimeAreBothInDoubt) {
  Begin("");
  Hello("w", 1, 1);
  Hello("child", 1, 2);
  ASSERT_EQ(Ask("w", 2), (Leased{1, 2}));
  ASSERT_EQ(Ask("child", 2), (Leased{3, 4}));
  Exited(1, R"({"worker": 1, "lease": 1}, {"worker": 3, "lease": 3})");
  EXPECT_EQ(task().failures_total, 0u);
  Hello("w2", 2, 3);
  EXPECT_EQ(Ask("w2", 9), (Leased{5, 6, 7, 8})) << "two are held back";
}

TEST_F(Blame, APostCheckerThatDiesFailsNoBlockThatItMayNotHaveChecked) {
  Begin(R"("post_check": {"command": ["look"], "count": 1}, )", 1);
  Hello("w", 1);
  ASSERT_EQ(Ask("w", 2), (Leased{1, 2}));
  Release("w", 1);
  Release("w", 2);
  Hello("c", 2);
  ASSERT_EQ(Ask("c", 2), (Leased{3, 4}));
  Exited(2, "");
  EXPECT_EQ(task().failures_total, 0u);
  script_.PassTo(1'000);
  Hello("c2", 3);
  ASSERT_EQ(Ask("c2", 2).size(), 1u);
  Exited(3, "");
  EXPECT_EQ(task().failures_total, 1u);
}

TEST_F(Blame, AWorkerThatSaysByeWithSeveralFailsNone) {
  Begin("");
  Hello("w", 1);
  ASSERT_EQ(Ask("w", 2), (Leased{1, 2}));
  Say("w", R"(["bye", {}])");
  EXPECT_EQ(task().failures_total, 0u);
  EXPECT_EQ(task().counts.ready, 6u);
}

}  // namespace
}  // namespace bellis::test
