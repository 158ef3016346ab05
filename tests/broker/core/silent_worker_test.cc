// Restarts of the broker with workers without heartbeats, and with several processes under one id.

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "tests/broker/core/script.h"
#include "tests/broker/journal/record_model.h"

namespace bellis::test {
namespace {

constexpr char kHello[] = R"(["hello", {"role": "worker", "task": "a", "session": 5,
  "host": "far", "machine": "boot", "pid": 77}])";
constexpr char kBack[] = R"(["hello", {"role": "worker", "task": "a", "worker": 1, "session": 5,
  "host": "far", "machine": "boot", "pid": 77,
  "held": [{"lease": 1, "index": 0, "attempt": 1}]}])";
constexpr int64_t kHour = 3'600'000;

/// A broker that keeps its state, with a job of three blocks and a worker. A test may restart the
/// broker.
class LeaseTermsSilent : public testing::Test {
 protected:
  void Begin(const std::string& more = R"("external_workers": true)",
             const std::string& hello = kHello) {
    Start();
    Say("client", R"(["submit", {"req": 1, "job": {"name": "job", "tasks": [{"task_id": "a",
      "total_roi": {"offset": [0], "shape": [30]}, "read_roi": {"offset": [0], "shape": [10]},
      "write_roi": {"offset": [0], "shape": [10]}, )" +
                      more + "}]}}]");
    Commit();
    Say("w", hello);
    Commit();
  }
  void TakeBlock() { ASSERT_TRUE(Has(Say("w", R"(["acquire", {"want": 1}])"), "\"lease\":1")); }

  void Restart() {
    script_.reset();
    Start();
  }

  std::vector<std::string> Say(const std::string& peer, const std::string& message) {
    return Kept(script_->Say(peer, message));
  }
  std::vector<std::string> Lose(const std::string& peer) { return Kept(script_->Lose(peer)); }
  std::vector<std::string> PassTo(int64_t ms) { return script_->PassTo(ms); }
  /// Loads the progress of the job, which runs again.
  void Load() {
    const JobNumber job = disk_.jobs().begin()->first;
    Kept(script_->Load({job, disk_.progress(job)}));
  }
  std::vector<std::string> Commit() {
    std::vector<std::string> lines = Kept(script_->Commit());
    for (auto& line : Kept(script_->Commit())) lines.push_back(std::move(line));  // marks
    return lines;
  }
  std::vector<std::string> Gone(uint64_t worker = 1) {
    return Say("client",
               R"(["worker_gone", {"req": 7, "worker": )" + std::to_string(worker) + "}]");
  }
  std::string Explain(const std::string& what = R"("block": 0)") {
    return Say("client", R"(["explain", {"req": 8, "job": "job-1", )" + what + "}]").at(0);
  }
  /// Another worker comes, with heartbeats, and asks.
  std::vector<std::string> AnotherAsks() {
    Say("other", R"(["hello", {"role": "worker", "task": "a", "session": 6,
      "heartbeat_ms": 1000}])");
    Commit();
    Commit();
    return Say("other", R"(["acquire", {"want": 1}])");
  }
  TaskStatus task() { return script_->job().tasks[0]; }
  static bool Has(const std::vector<std::string>& lines, const std::string& text) {
    return std::any_of(lines.begin(), lines.end(), [&](const std::string& line) {
      return line.find(text) != std::string::npos;
    });
  }

  CoreOptions options_;

 private:
  void Start() {
    options_.durable = true;
    script_ = std::make_unique<Script>(options_);
    Kept(script_->Take(disk_.take_over()));
    Say("client", R"(["hello", {"role": "client"}])");
    Commit();
  }
  std::vector<std::string> Kept(std::vector<std::string> lines) {
    for (const Record& record : script_->effects().records) disk_.Take(record);
    return lines;
  }

  RecordModel disk_;
  std::unique_ptr<Script> script_;
};

TEST_F(LeaseTermsSilent, ARestartedBrokerWaitsForAWorkerThatComputesForAnHour) {
  Begin();
  TakeBlock();
  Restart();
  EXPECT_FALSE(Has(AnotherAsks(), "\"work\""));
  for (int64_t ms = 10'000; ms <= kHour; ms += 10'000) {
    EXPECT_FALSE(Has(PassTo(ms), "worker 1"));
    Say("other", R"(["ping", {}])");
  }
  EXPECT_TRUE(Has(Say("w", kBack), R"("held":[1])"));
  Say("w", R"(["release", {"results": [{"lease": 1}]}])");
  Commit();
  EXPECT_EQ(task().counts.completed, 1u);
  EXPECT_EQ(task().failures_total, 0u);
}

TEST_F(LeaseTermsSilent, WorkerGoneEndsTheWait) {
  Begin();
  TakeBlock();
  Restart();
  AnotherAsks();
  const std::string why = Explain();
  EXPECT_NE(why.find("worker 1 has not come back"), std::string::npos) << why;
  EXPECT_NE(why.find("(pid 77 on far)"), std::string::npos) << why;
  EXPECT_NE(why.find("bellis worker-gone 1\""), std::string::npos) << why;
  EXPECT_NE(Explain(R"("worker": 1)").find("bellis worker-gone 1"), std::string::npos);
  const auto lines = Gone();
  EXPECT_FALSE(Has(lines, "\"ok\"")) << "that it is over is not on disk";
  EXPECT_TRUE(Has(lines, "other <- [\"work\""));
  EXPECT_TRUE(Has(Commit(), R"(["ok",{"req":7}])"));
  Restart();
  EXPECT_TRUE(Has(Gone(), "unknown_worker"));
  EXPECT_TRUE(Has(Say("w", kBack), "unknown_worker"));
}

TEST_F(LeaseTermsSilent, WhatEachLanguageHasDoneAddsUpOverARestart) {
  Begin();
  TakeBlock();
  PassTo(250);
  Say("w", R"(["release", {"results": [{"lease": 1}], "want": 1}])");
  Commit();
  Restart();
  ASSERT_EQ(task().languages.size(), 1u);
  EXPECT_EQ(task().languages[0], (LanguageStats{"unnamed", 1, 250}));
  EXPECT_EQ(task().block_ms_mean, 250);
  Say("w", R"(["hello", {"role": "worker", "task": "a", "worker": 1, "session": 5,
    "host": "far", "machine": "boot", "pid": 77,
    "held": [{"lease": 2, "index": 1, "attempt": 1}]}])");
  Commit();
  Say("w", R"(["release", {"results": [{"lease": 2}]}])");
  Commit();
  ASSERT_EQ(task().languages.size(), 1u);
  EXPECT_EQ(task().languages[0].blocks, 2u);
  EXPECT_EQ(task().counts.completed, 2u);
}

TEST_F(LeaseTermsSilent, ATaskIsNotGivenUpWhileSuchAWorkerMayWorkOnIt) {
  Begin(R"("workers": [{"command": ["work"]}])");
  TakeBlock();
  Restart();
  EXPECT_FALSE(Has(PassTo(kHour), "given up"));
  EXPECT_TRUE(Has(Say("w", kBack), R"("held":[1])"));
}

TEST_F(LeaseTermsSilent, WithUnsafeLeasesAWorkerHasTheReconnectWindow) {
  Begin(R"("external_workers": true, "unsafe_leases": true)");
  TakeBlock();
  Restart();
  EXPECT_FALSE(Has(PassTo(29'000), "worker 1"));
  EXPECT_TRUE(Has(PassTo(31'000), "it did not come back to this broker"));
}

TEST_F(LeaseTermsSilent, OnTheBrokersMachineTheBrokerLooksItself) {
  options_.machine = "boot";
  Begin();
  TakeBlock();
  Restart();
  EXPECT_TRUE(Has(Gone(), "worker_alive"));
  EXPECT_NE(Explain().find("if its process (pid 77 on far) hangs, end it"), std::string::npos);
}

TEST_F(LeaseTermsSilent, WorkerGoneIsRefusedForALaunchedWorker) {
  Begin(R"("workers": [{"command": ["work"]}], "external_workers": true)", kHello);
  Say("l", R"(["hello", {"role": "launcher", "host": "h", "machine": "m", "pid": 7}])");
  ASSERT_TRUE(Has(Gone(2), "its launcher (pid 7 on h) reports its end"));
  Say("w2", R"(["hello", {"role": "worker", "task": "a", "worker": 2, "session": 8}])");
  Commit();
  Restart();
  EXPECT_TRUE(Has(Gone(2), "its launcher (pid 7 on h) is away"));
}

TEST_F(LeaseTermsSilent, TheBrokerWaitsNoLongerForALauncherOfAnEarlierBroker) {
  options_.reconnect_window = Duration::Seconds(5);
  Begin(R"("workers": [{"command": ["work"]}], "external_workers": true)", kHello);
  Say("w", R"(["bye", {}])");
  Say("l", R"(["hello", {"role": "launcher", "host": "h", "machine": "m", "pid": 7}])");
  Say("w2", R"(["hello", {"role": "worker", "task": "a", "worker": 2, "session": 8}])");
  Commit();
  Restart();
  EXPECT_FALSE(Has(PassTo(29'000), "a launcher is gone"));
  EXPECT_TRUE(Has(PassTo(31'000), "a launcher is gone"));
}

TEST_F(LeaseTermsSilent, TheBrokerWaitsForAWorkerThatMayWorkOnABlockOfAnEarlierRun) {
  Begin();
  TakeBlock();
  Say("client", R"(["cancel", {"req": 2, "job": "job-1"}])");
  Commit();
  Say("client", R"(["retry_failed", {"req": 3, "job": "job-1"}])");
  Load();
  Commit();
  Lose("w");
  EXPECT_FALSE(Has(AnotherAsks(), "\"work\""));
  Gone();
  EXPECT_EQ(task().counts.leased, 1u);
}

TEST_F(LeaseTermsSilent, AnotherProcessUnderItsIdDoesNotEndItsLeasesAlsoAfterARestart) {
  Begin();
  TakeBlock();
  Say("new", R"(["hello", {"role": "worker", "task": "a", "worker": 1, "session": 9}])");
  Commit();
  ASSERT_TRUE(Has(Say("new", R"(["acquire", {"want": 1}])"), "\"lease\":2"));
  Restart();
  EXPECT_TRUE(Has(Say("w", kBack), R"("held":[1])"));
  EXPECT_FALSE(Has(AnotherAsks(), "\"work\"")) << "nobody has said what session 9 holds";
  EXPECT_TRUE(Has(Say("new", R"(["hello", {"role": "worker", "task": "a", "worker": 2,
    "session": 9, "held": [{"lease": 2, "index": 1, "attempt": 1}]}])"),
                  R"("held":[2])"));
}

TEST_F(LeaseTermsSilent, ManyProcessesUnderOneIdLeaveABoundedMemory) {
  Begin(R"("workers": [{"command": ["work"]}], "external_workers": true)");
  Say("l", R"(["hello", {"role": "launcher", "host": "h", "machine": "m", "pid": 7}])");
  const auto hello = [](int session) {
    return R"(["hello", {"role": "worker", "task": "a", "worker": 2, "session": )" +
           std::to_string(session) + "}]";
  };
  for (int session = 100; session < 120; ++session) {
    const std::string peer = "p" + std::to_string(session);
    Say(peer, hello(session));
    Commit();
    Say(peer, R"(["bye", {}])");
  }
  EXPECT_TRUE(Has(Say("late", hello(111)), "unknown_worker"));
  EXPECT_TRUE(Has(Say("later", hello(110)), "welcome")) << "longer ago than anything is late";
}

}  // namespace
}  // namespace bellis::test
