// Tasks whose blocks fail: how fast blocks are handed out, when the task ends, what is reported.

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/broker/core/json.h"
#include "tests/broker/core/script.h"

namespace bellis::test {
namespace {

/// One launched worker at a time does all blocks, and takes no time for them. Only `Pass` moves the
/// clock.
class Failing : public testing::Test {
 protected:
  void Submit(int blocks, const std::string& more) {
    Take(script_.Say("launcher", R"(["hello", {"role": "launcher", "host": "here", "pid": 7}])"));
    script_.Say("client", R"(["hello", {"role": "client"}])");
    Take(script_.Say("client",
                     R"(["submit", {"req": 1, "job": {"name": "job", "tasks": [{"task_id": "t",
        "total_roi": {"offset": [0], "shape": [)" +
                         std::to_string(blocks * 10) + R"(]},
        "read_roi": {"offset": [0], "shape": [10]}, "write_roi": {"offset": [0], "shape": [10]},
        "read_write_conflict": false, "workers": [{"command": ["work"]}])" +
                         more + "}]}}]"));
  }

  /// Does what launched workers can do now: says hello, and releases blocks.
  void Work(int failures_max) {
    while (!todo_.empty() && failures_ < failures_max) {
      const auto [worker, lease] = todo_.back();
      todo_.pop_back();
      if (lease == 0) {
        Take(Says(worker, R"(["hello", {"role": "worker", "job": "job-1", "worker": )" +
                              std::to_string(worker) + "}]"));
        Take(Says(worker, R"(["acquire", {"want": 1}])"));
        continue;
      }
      const bool well = wells_.count(lease) > 0;
      if (!well) ++failures_;
      Take(Says(worker, R"(["release", {"results": [{"lease": )" + std::to_string(lease) +
                            (well ? "" : R"(, "status": "failed", "error": "x: no such array")") +
                            R"(}], "want": 1}])"));
    }
  }
  void Work() { Work(1'000'000); }

  void Pass(int64_t ms) {
    now_ms_ += ms;
    Take(script_.PassTo(now_ms_));
  }

  std::vector<std::string> Says(uint64_t worker, const std::string& text) {
    return script_.Say("w" + std::to_string(worker), text);
  }

  void Take(const std::vector<std::string>& lines) {
    for (const std::string& line : lines) {
      if (line.starts_with("log")) log_.push_back(line);
      const size_t at = line.find("<- ");
      if (at == std::string::npos) continue;
      const Json message = Json::parse(line.substr(at + 3));
      if (message[0] == "launch") {
        ++launched_;
        todo_.emplace_back(message[1]["worker"], 0);
      } else if (message[0] == "work") {
        const uint64_t worker = std::stoull(line.substr(1));
        for (const auto& block : message[1]["blocks"]) todo_.emplace_back(worker, block["lease"]);
      } else if (message[0] == "drain") {
        const std::string name = line.substr(1, at - 2);
        Take(script_.Say("w" + name, R"(["bye", {}])"));
        Take(script_.Say("launcher", R"(["exited", {"worker": )" + name + "}]"));
      }
    }
  }

  TaskStatus task() const { return script_.job().tasks[0]; }
  bool Logged(const std::string& text) const {
    return std::any_of(log_.begin(), log_.end(), [&](const std::string& line) {
      return line.find(text) != std::string::npos;
    });
  }

  Script script_;
  int64_t now_ms_ = 0;
  std::vector<std::pair<uint64_t, uint64_t>> todo_;  // a worker and its lease; 0: must say hello
  std::set<uint64_t> wells_;                         // leases whose blocks complete
  int failures_ = 0;
  int launched_ = 0;
  std::vector<std::string> log_;
};

TEST_F(Failing, AfterAThousandFailuresTenBlocksASecondAreHandedOut) {
  Submit(2000, R"(, "max_retries": 0)");
  Work();
  EXPECT_EQ(failures_, 1000);
  ASSERT_EQ(task().notices.size(), 1u);
  EXPECT_EQ(task().notices[0],
            "is slowed: 1000 attempts have failed and no block was completed since: until one is, "
            "10 a second are handed out (max_failures ends such a task); the last: block 999 in "
            "worker 3: x: no such array");
  EXPECT_TRUE(Logged("warning: job job-1: task t is slowed: 1000 attempts"));
  for (int i = 0; i < 100; ++i) {
    Pass(100);
    Work();
    ASSERT_LE(failures_, 1000 + i + 1);
  }
  EXPECT_EQ(failures_, 1100);
  for (int i = 0; i < 900; ++i) {
    Pass(100);
    Work();
  }
  EXPECT_EQ(script_.job().state, JobState::kFailed);
  EXPECT_EQ(task().counts.failed, 2000u);
  EXPECT_LT(launched_, 20) << "of 2,000 failing blocks there are few workers, and so few files";
}

TEST_F(Failing, ASuccessEndsTheSlowness) {
  Submit(3000, R"(, "max_retries": 0)");
  wells_ = {1200};
  Work();
  for (int i = 0; i < 200; ++i) {
    Pass(100);
    Work();
  }
  EXPECT_EQ(task().counts.completed, 1u);
  EXPECT_EQ(failures_, 1199 + 1000) << "a thousand more at full speed";
}

TEST_F(Failing, MaxFailuresEndsTheTask) {
  Submit(20, R"(, "max_retries": 1, "max_failures": 3)");
  Work();
  EXPECT_EQ(failures_, 4);
  EXPECT_EQ(script_.job().state, JobState::kFailed);
  EXPECT_EQ(script_.job().reason, "task \"t\" was given up");
  EXPECT_EQ(task().error,
            "max_failures is 3, and 4 attempts have failed; the last: block 3 in worker 1: x: no "
            "such array");
  EXPECT_EQ(task().counts.orphaned, 20u);
  EXPECT_EQ(task().failures_total, 4u);
}

TEST_F(Failing, MaxFailuresZeroToleratesNone) {
  Submit(20, R"(, "max_failures": 0)");
  wells_ = {1, 2, 3};
  Work();
  EXPECT_EQ(failures_, 1);
  EXPECT_EQ(task().counts.completed, 3u);
  EXPECT_NE(task().error, "");
}

TEST_F(Failing, MaxFailuresFailuresAreTolerated) {
  Submit(20, R"(, "max_failures": 3)");
  wells_ = {4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23};
  Work();
  Pass(31'000);
  Work();
  EXPECT_EQ(failures_, 3);
  EXPECT_EQ(script_.job().state, JobState::kCompleted);
}

TEST_F(Failing, FailedBlocksThatAreOpenedAgainCountFromZero) {
  Submit(6, R"(, "max_retries": 0, "max_failures": 2)");
  wells_ = {4, 5, 6, 7, 8};
  Work(2);
  EXPECT_EQ(task().counts.failed, 2u);
  Take(script_.Say("client", R"(["retry_failed", {"req": 2, "job": "job-1"}])"));
  wells_.erase(4);
  wells_.insert(9);
  Work();
  EXPECT_EQ(failures_, 4);
  EXPECT_EQ(task().failures_total, 4u);
  EXPECT_EQ(task().error, "");
}

TEST(FailingTask, ThatRunsAgainWaitsForWorkersThatItHadToldToLeave) {
  constexpr char kTask[] = R"("total_roi": {"offset": [0], "shape": [30]},
    "read_roi": {"offset": [0], "shape": [10]}, "write_roi": {"offset": [0], "shape": [10]},
    "read_write_conflict": false, "external_workers": true)";
  constexpr char kHello[] = R"(["hello", {"role": "worker", "task": "t", "heartbeat_ms": 1000}])";
  constexpr char kAcquire[] = R"(["acquire", {"want": 1}])";
  Script script;
  script.Say("client", R"(["hello", {"role": "client"}])");
  script.Say("client", std::string(R"(["submit", {"req": 1, "job": {"name": "job", "tasks": [
      {"task_id": "t", "max_failures": 0, )") +
                           kTask + R"(}, {"task_id": "u", )" + kTask + "}]}}]");
  for (const char* worker : {"a", "b"}) {
    script.Say(worker, kHello);
    script.Say(worker, kAcquire);
  }
  script.Say("b", R"(["release", {"results": [{"lease": 2, "status": "failed"}]}])");
  EXPECT_NE(script.job().tasks[0].error, "");
  script.Say("b", R"(["bye", {}])");
  script.Say("client", R"(["retry_failed", {"req": 2, "job": "job-1"}])");
  script.Say("c", kHello);
  script.Say("c", kAcquire);
  EXPECT_EQ(script.job().tasks[0].counts.leased, 0u) << "a may still write block 0";
  script.Say("a", R"(["bye", {}])");
  EXPECT_EQ(script.job().tasks[0].counts.leased, 1u);
}

TEST_F(Failing, ASerialTaskStopsAtOnce) {
  Take(script_.Say("launcher", R"(["hello", {"role": "launcher", "host": "here", "pid": 7}])"));
  script_.Say("client", R"(["hello", {"role": "client"}])");
  Take(script_.Say("client", R"(["submit", {"req": 1, "job": {"name": "job", "serial": true,
      "tasks": [{"task_id": "t", "total_roi": {"offset": [0], "shape": [100]},
      "read_roi": {"offset": [0], "shape": [10]}, "write_roi": {"offset": [0], "shape": [10]},
      "workers": [{"command": ["work"]}], "max_failures": 1, "max_retries": 0}]}}])"));
  Work();
  EXPECT_EQ(failures_, 2);
  EXPECT_EQ(script_.job().state, JobState::kFailed);
}

}  // namespace
}  // namespace bellis::test
