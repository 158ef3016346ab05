// Tests of what the stories in transcripts/ do not show well: many workers, many jobs, shares.

#include "broker/core/broker_core.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/broker/core/json.h"
#include "tests/broker/core/script.h"

namespace bellis::test {
namespace {

constexpr char kHelloClient[] = R"(["hello", {"role": "client"}])";
constexpr char kAcquire[] = R"(["acquire", {"want": 1}])";

std::string Submit(int blocks, const std::string& more = "") {
  const std::string extent = std::to_string(blocks * 10);
  return R"(["submit", {"req": 1, "job": {"name": "job", "tasks": [{"task_id": "t",
    "total_roi": {"offset": [0], "shape": [)" +
         extent + R"(]},
    "read_roi": {"offset": [0], "shape": [10]}, "write_roi": {"offset": [0], "shape": [10]},
    "read_write_conflict": false, "external_workers": true)" +
         more + "}]}}]";
}

std::string Hello(const std::string& job = "") {
  return R"(["hello", {"role": "worker", "language": "c++", "job": ")" + job + "\"}]";
}

/// The parts of an effect line of Script: the peer, and the message.
Json MessageOf(const std::string& line) { return Json::parse(line.substr(line.find("<- ") + 3)); }

TEST(BrokerCore, SharesReadyBlocksAmongWaitingWorkersOneEach) {
  Script script;
  script.Say("client", kHelloClient);
  script.Say("client", Submit(1));
  for (const char* worker : {"a", "b", "c"}) {
    script.Say(worker, Hello());
    script.Say(worker, R"(["acquire", {"want": 4}])");
  }
  script.Say("client", kHelloClient);
  EXPECT_EQ(script.job().tasks[0].counts.leased, 1u);
}

TEST(BrokerCore, OneWorkerMayHoldManyBlocks) {
  Script script;
  script.Say("client", kHelloClient);
  script.Say("client", Submit(10));
  script.Say("w", Hello());
  const auto lines = script.Say("w", R"(["acquire", {"want": 6}])");
  ASSERT_EQ(lines.size(), 1u) << "one message";
  EXPECT_EQ(MessageOf(lines[0])[1]["blocks"].size(), 6u);
}

TEST(BrokerCore, ALeaseIdIsNeverUsedAgain) {
  Script script;
  script.Say("client", kHelloClient);
  script.Say("client", Submit(50, R"(, "max_retries": 1000)"));
  script.Say("w", Hello());
  std::set<uint64_t> leases;
  auto lines = script.Say("w", kAcquire);
  for (int i = 0; i < 200; ++i) {
    ASSERT_FALSE(lines.empty());
    const Json work = MessageOf(lines[0]);
    ASSERT_EQ(work[0], "work");
    const auto lease = work[1]["blocks"][0]["lease"].get<uint64_t>();
    ASSERT_TRUE(leases.insert(lease).second);
    lines = script.Say("w", R"(["release", {"results": [{"lease": )" + std::to_string(lease) +
                                R"(, "status": "failed", "error": "x"}], "want": 1}])");
  }
}

TEST(BrokerCore, AFailureKeepsTheHeadAndTheTailOfItsText) {
  Script script;
  script.Say("client", kHelloClient);
  script.Say("client", Submit(1, R"(, "max_retries": 0)"));
  script.Say("w", Hello());
  const Json work = MessageOf(script.Say("w", kAcquire)[0]);
  Json result = {{"lease", work[1]["blocks"][0]["lease"]}, {"status", "failed"}};
  result["error"] = "Traceback (most recent call last):\n  File \"x.py\", line 1\n" +
                    std::string(5000, ' ') + "\nValueError: boom";
  script.Say("w", Json::array({"release", {{"results", Json::array({result})}}}).dump());
  const std::string kept = script.job().tasks[0].failures.at(0).error;
  EXPECT_LE(kept.size(), 2048u);
  EXPECT_EQ(kept.rfind("Traceback (most recent call last):\n", 0), 0u) << kept;
  EXPECT_NE(kept.find(" bytes cut ...]\n"), std::string::npos) << kept;
  EXPECT_TRUE(kept.ends_with("\nValueError: boom")) << kept;
}

TEST(BrokerCore, JobsRunSideBySideAndWorkersMustSayWhich) {
  Script script;
  script.Say("client", kHelloClient);
  script.Say("client", Submit(2));
  script.Say("client", Submit(2));
  const auto refused = script.Say("w", Hello());
  EXPECT_EQ(MessageOf(refused[0])[1]["code"], "unknown_job");
  script.Say("w1", Hello("job-1"));
  script.Say("w2", Hello("job-2"));
  script.Say("w1", kAcquire);
  script.Say("w2", kAcquire);
  EXPECT_EQ(script.job(0).tasks[0].counts.leased, 1u);
  EXPECT_EQ(script.job(1).tasks[0].counts.leased, 1u);
}

TEST(BrokerCore, AnUndeliveredBlockGoesBackWithoutAnAttempt) {
  Script script;
  script.Say("client", kHelloClient);
  script.Say("client", Submit(1, R"(, "max_retries": 0)"));
  script.Say("w", Hello());
  script.Say("w", kAcquire);
  const auto& work = std::get<WorkMsg>(script.effects().sends.at(0).message);
  const PeerId peer = script.effects().sends.at(0).to;
  const PeerGone gone{peer, {work.blocks.at(0).lease}};
  Effects after;
  script.core().Step(script.now(), PeerGone(gone), &after);
  const BlockCounts counts = script.job().tasks[0].counts;
  EXPECT_EQ(counts.ready, 1u);
  EXPECT_EQ(counts.failed, 0u);
  EXPECT_EQ(script.job().tasks[0].failures_total, 0u);
}

TEST(BrokerCore, EndedJobsAreForgottenAfterAWhile) {
  CoreOptions options;
  options.jobs_ended_kept = 3;
  Script script(options);
  script.Say("client", kHelloClient);
  for (int i = 0; i < 10; ++i) script.Say("client", Submit(0));
  EXPECT_LE(script.core().Jobs(script.now()).size(), 4u);
}

TEST(BrokerCore, LanguagesAreCountedByNameUpToThirtyTwo) {
  Script script;
  script.Say("client", kHelloClient);
  script.Say("client", Submit(200));
  for (int i = 0; i < 100; ++i) {
    const std::string name = "w" + std::to_string(i);
    script.Say(name, R"(["hello", {"role": "worker", "language": ")" + name + R"("}])");
    script.Say(name, R"(["acquire", {"want": 1}])");
    script.Say(name, R"(["release", {"results": [{"lease": )" + std::to_string(i + 1) +
                         R"(, "status": "completed"}]}])");
  }
  const auto languages = script.job().tasks[0].languages;
  ASSERT_EQ(languages.size(), 33u);
  EXPECT_EQ(languages.back().language, "others");
  EXPECT_EQ(languages.back().blocks, 68u);
}

TEST(BrokerCore, AConnectionWatchesAThousandTimesAtMost) {
  Script script;
  script.Say("client", kHelloClient);
  script.Say("other", kHelloClient);
  script.Say("client", Submit(1));
  const std::string watch = R"(["watch", {"req": 5, "job": "job-1", "interval_ms": 1000}])";
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(MessageOf(script.Say("client", watch).back())[0], "progress");
  }
  const Json refused = MessageOf(script.Say("client", watch).back());
  EXPECT_EQ(refused[0], "error");
  EXPECT_EQ(refused[1]["code"], "limit");
  EXPECT_EQ(refused[1]["req"], 5);
  EXPECT_EQ(MessageOf(script.Say("other", watch).back())[0], "progress");
  script.Say("client", R"(["cancel", {"req": 6, "job": "job-1"}])");
  script.Say("client", Submit(1));
  const std::string again = R"(["watch", {"req": 7, "job": "job-2", "interval_ms": 1000}])";
  EXPECT_EQ(MessageOf(script.Say("client", again).back())[0], "progress");
}

TEST(BrokerCore, RefusedMessagesDoNotFillTheLog) {
  Script script;
  script.Say("client", kHelloClient);
  size_t lines = 0;
  const auto refuse = [&] {
    for (const std::string& line : script.Say("client", R"(["cancel", {"job": "none"}])")) {
      if (line.find("refused a message") == std::string::npos) continue;
      ++lines;
      if (line.find("980 others before") != std::string::npos) lines += 100;
    }
  };
  for (int i = 0; i < 1000; ++i) refuse();
  EXPECT_EQ(lines, 20u);
  script.PassTo(1000);
  refuse();
  EXPECT_EQ(lines, 121u) << "the next line says how many were left out";
}

TEST(BrokerCore, TheSameEventsGiveTheSameEffects) {
  const auto run = [] {
    Script script;
    std::string all;
    script.Say("client", kHelloClient);
    script.Say("client", Submit(40));
    for (int w = 0; w < 9; ++w) {
      const std::string name = "w" + std::to_string(w);
      script.Say(name, Hello());
      for (const auto& line : script.Say(name, R"(["acquire", {"want": 3}])")) all += line;
    }
    for (const auto& line : script.Lose("w4")) all += line;
    for (const auto& line : script.PassTo(60'000)) all += line;
    return all;
  };
  EXPECT_EQ(run(), run());
}

}  // namespace
}  // namespace bellis::test
