// How long leases last when a restarted broker has another lease time than the broker before it.

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "broker/core/broker_core.h"
#include "tests/broker/core/script.h"

namespace bellis::test {
namespace {

constexpr char kSubmit[] = R"(["submit", {"req": 1, "job": {"name": "job", "tasks": [
  {"task_id": "a", "total_roi": {"offset": [0], "shape": [30]},
   "read_roi": {"offset": [0], "shape": [10]}, "write_roi": {"offset": [0], "shape": [10]},
   "external_workers": true}]}}])";
constexpr char kHello[] = R"(["hello", {"role": "worker", "task": "a", "session": 5,
  "heartbeat_ms": 1000}])";
constexpr char kBack[] = R"(["hello", {"role": "worker", "task": "a", "worker": 1, "session": 5,
  "heartbeat_ms": 1000, "held": [{"lease": 1, "index": 0, "attempt": 1}]}])";
constexpr char kPulse[] = R"(["hello", {"role": "pulse", "worker": 1, "session": 5,
  "held": [{"lease": 1, "index": 0, "attempt": 1}]}])";
constexpr char kPing[] = R"(["ping", {"nonce": 1}])";

CoreOptions LeaseOf(int64_t ms) {
  CoreOptions options;
  options.durable = true;
  options.lease = Duration::Millis(ms);
  return options;
}

bool Has(const std::vector<std::string>& lines, const std::string& text) {
  return std::any_of(lines.begin(), lines.end(),
                     [&](const std::string& line) { return line.find(text) != std::string::npos; });
}

/// The saved state of a broker that knows `workers` workers. The first of them holds lease 1, of
/// block 0.
Saved Left(int64_t lease_ms, const std::string& submit = kSubmit, int workers = 1) {
  Script before(LeaseOf(lease_ms));
  Saved saved;
  const auto keep = [&] {
    for (const Record& record : before.effects().records) {
      if (const auto* begun = std::get_if<JobBegun>(&record)) {
        saved.jobs.push_back({begun->job, begun->id, begun->spec, JobState::kRunning, "", {}});
      } else if (const auto* session = std::get_if<SessionBegun>(&record)) {
        saved.sessions.push_back(session->session);
      } else if (const auto* marks = std::get_if<Marks>(&record)) {
        saved.marks = *marks;
      }
    }
  };
  before.Say("client", R"(["hello", {"role": "client"}])");
  keep();
  before.Say("client", submit);
  keep();
  before.Commit();
  keep();
  before.Say("w", kHello);
  keep();
  if (workers > 1) {
    before.Say("w2", R"(["hello", {"role": "worker", "task": "a", "session": 6,
      "heartbeat_ms": 500}])");
    keep();
  }
  before.Commit();
  keep();
  EXPECT_TRUE(Has(before.Say("w", R"(["acquire", {"want": 1}])"), "\"lease\":1"));
  return saved;
}

void TakeUp(const Saved& saved, Script* script) {
  TakeOver taken;
  taken.saved = saved;
  taken.progress[saved.jobs.at(0).job].resize(1);
  script->Take(std::move(taken));
}

TEST(LeaseTerms, WhatAnEarlierBrokerPromisedIsKept) {
  Script script(LeaseOf(2'000));
  TakeUp(Left(60'000), &script);
  EXPECT_FALSE(Has(script.PassTo(59'000), "not heard of"));
  EXPECT_EQ(script.job().tasks[0].counts.failed + script.job().tasks[0].failures_total, 0u);
  script.Say("other", R"(["hello", {"role": "worker", "task": "a", "session": 6,
    "heartbeat_ms": 500}])");
  script.Commit();  // its id is on disk
  script.Commit();  // its session is on disk
  EXPECT_FALSE(Has(script.Say("other", R"(["acquire", {"want": 1}])"), "\"work\""));
  script.Say("other", kPing);
  EXPECT_FALSE(Has(script.PassTo(59'900), "\"work\""));
  const auto lines = script.PassTo(60'100);
  EXPECT_TRUE(Has(lines, "\"work\""));
}

TEST(LeaseTerms, AWorkerThatIsBackAndPingsNoMoreKeepsWhatItWasPromised) {
  for (const char* hello : {kBack, kPulse}) {
    Script script(LeaseOf(2'000));
    TakeUp(Left(60'000), &script);
    script.PassTo(1'000);
    EXPECT_TRUE(Has(script.Say("w", hello), R"("lease_ms":2000,"heartbeat_ms":500)"));
    script.Say("w", kPing);
    EXPECT_FALSE(Has(script.PassTo(59'900), "not heard of"));
    EXPECT_TRUE(Has(script.PassTo(60'100), "not heard of"));
  }
}

TEST(LeaseTerms, LongerLeasesAreOnDiskBeforeAWorkerIsToldOfThem) {
  for (const char* hello : {kBack, kPulse}) {
    Script script(LeaseOf(60'000));
    TakeUp(Left(2'000), &script);
    const auto& records = script.effects().records;
    ASSERT_TRUE(std::any_of(records.begin(), records.end(), [](const Record& record) {
      const auto* begun = std::get_if<SessionBegun>(&record);
      return begun != nullptr && begun->session.lease_ms == 60'000;
    }));
    EXPECT_FALSE(Has(script.Say("w", hello), "welcome"));
    EXPECT_TRUE(Has(script.Commit(), R"("lease_ms":60000)"));
  }
}

TEST(LeaseTerms, AHelloThatWaitsForTheDiskIsForgottenWithItsConnection) {
  Script script(LeaseOf(60'000));
  TakeUp(Left(2'000), &script);
  script.Say("w", kBack);
  EXPECT_TRUE(Has(script.Lose("w"), "forget w"));
  EXPECT_FALSE(Has(script.Commit(), "w <-"));
}

TEST(LeaseTerms, AHelloThatALaterOneHasOvertakenTakesNothingBack) {
  Script script(LeaseOf(2'000));
  script.Say("client", R"(["hello", {"role": "client"}])");
  script.Say("client", kSubmit);
  script.Commit();
  script.Say("w", kHello);
  script.Commit();
  script.Say("new", R"(["hello", {"role": "worker", "task": "a", "worker": 1, "session": 5,
    "greeting": 3, "heartbeat_ms": 500}])");
  EXPECT_TRUE(Has(script.Say("new", R"(["acquire", {"want": 1}])"), "\"lease\":1"));
  EXPECT_TRUE(Has(script.Say("old", R"(["hello", {"role": "worker", "task": "a", "worker": 1,
    "session": 5, "greeting": 2, "heartbeat_ms": 500}])"),
                  "hello_first"));
  EXPECT_EQ(script.job().tasks[0].counts.leased, 1u);
  EXPECT_TRUE(Has(script.Say("new", kPing), "pong"));
}

/// The submit of a job of three blocks in a row; each writes where its neighbours read.
std::string Conflicting(const std::string& conflict) {
  return R"(["submit", {"req": 1, "job": {"name": "job", "tasks": [{"task_id": "a",
    "total_roi": {"offset": [-1], "shape": [32]}, "read_roi": {"offset": [-1], "shape": [12]},
    "write_roi": {"offset": [0], "shape": [10]}, "external_workers": true, "max_retries": 0,
    "read_write_conflict": )" +
         conflict + "}]}}]";
}

TEST(LeaseTerms, WhatAFailedBlockHeldUpWaitsForTheDisk) {
  for (const std::string conflict : {"true", "\"exclusive\""}) {
    Script script(LeaseOf(2'000));
    script.Say("client", R"(["hello", {"role": "client"}])");
    script.Say("client", Conflicting(conflict));
    script.Commit();
    script.Say("w", kHello);
    script.Commit();
    script.Say("w", R"(["acquire", {"want": 3}])");
    const uint64_t leased = script.job().tasks[0].counts.leased;
    ASSERT_LT(leased, 3u) << conflict;
    script.Say("w", R"(["release", {"results": [{"lease": 1, "status": "failed"},
      {"lease": 2, "status": "failed"}]}])");
    EXPECT_EQ(script.job().tasks[0].counts.failed, 0u);
    EXPECT_EQ(script.job().tasks[0].counts.leased, leased)
        << "nothing else is leased: " << conflict;
    script.Commit();
    EXPECT_EQ(script.job().tasks[0].counts.failed, leased);
  }
}

TEST(LeaseTerms, AResultDoesNotStandInTheWayOfALaterLeaseThatItExcludes) {
  Script script(LeaseOf(2'000));
  TakeUp(Left(2'000, Conflicting("\"exclusive\""), 2), &script);
  script.Say("w", R"(["hello", {"role": "worker", "task": "a", "worker": 1, "session": 5,
    "heartbeat_ms": 500, "held": [{"lease": 1, "index": 0, "attempt": 1}]}])");
  script.Say("w", R"(["release", {"results": [{"lease": 1, "status": "failed"}]}])");
  EXPECT_TRUE(Has(script.Say("w2", R"(["hello", {"role": "worker", "task": "a", "worker": 2,
    "session": 6, "heartbeat_ms": 500, "held": [{"lease": 9, "index": 1, "attempt": 1}]}])"),
                  R"("held":[9])"));
  script.Commit();
  script.Say("w", R"(["acquire", {"want": 3}])");
  EXPECT_EQ(script.job().tasks[0].counts.leased, 1u) << "nothing runs beside lease 9";
}

TEST(LeaseTerms, APulsePingsForItsOwnProcessOnly) {
  Script script(LeaseOf(2'000));
  script.Say("client", R"(["hello", {"role": "client"}])");
  script.Say("client", kSubmit);
  script.Commit();
  script.Say("w", kHello);
  script.Commit();
  script.Say("pulse", R"(["hello", {"role": "pulse", "worker": 1, "session": 5}])");
  EXPECT_TRUE(Has(script.Say("pulse", kPing), "pong"));
  script.Say("w2", R"(["hello", {"role": "worker", "task": "a", "worker": 1, "session": 9,
    "heartbeat_ms": 500}])");
  EXPECT_TRUE(Has(script.Say("pulse", kPing), "pong")) << "its worker may live";
  script.Say("w", R"(["bye", {}])");
  const auto answer = script.Say("pulse", kPing);
  EXPECT_FALSE(Has(answer, "pong")) << "else the process that was never ends";
  EXPECT_TRUE(Has(answer, "unknown_worker"));
}

/// How many workers were restarted after a launcher on machine "m" was away for ten minutes, while
/// its worker, without heartbeats, had a block.
uint64_t LostWithAStoppedLauncher(const std::string& machine_of_broker) {
  CoreOptions options = LeaseOf(2'000);
  options.machine = machine_of_broker;
  Script script(options);
  script.Say("client", R"(["hello", {"role": "client"}])");
  script.Say("client", R"(["submit", {"req": 1, "job": {"name": "job", "tasks": [
    {"task_id": "a", "total_roi": {"offset": [0], "shape": [30]},
     "read_roi": {"offset": [0], "shape": [10]}, "write_roi": {"offset": [0], "shape": [10]},
     "workers": [{"command": ["work"]}]}]}}])");
  script.Commit();
  EXPECT_TRUE(Has(script.Say("l", R"(["hello", {"role": "launcher", "host": "h", "machine": "m",
    "pid": 7}])"),
                  "launch"));
  script.Say("l", R"(["launched", {"worker": 1, "pid": 9}])");
  script.Say("w", R"(["hello", {"role": "worker", "task": "a", "worker": 1}])");
  script.Commit();
  EXPECT_TRUE(Has(script.Say("w", R"(["acquire", {"want": 1}])"), "\"work\""));
  script.Lose("l");
  script.PassTo(600'000);
  return script.job().tasks[0].worker_restarts;
}

TEST(LeaseTerms, OfAWorkerWithoutHeartbeatsDoNotEndWithTheSilenceOfALauncherThatIsThere) {
  EXPECT_EQ(LostWithAStoppedLauncher("m"), 0u);
  EXPECT_EQ(LostWithAStoppedLauncher("another"), 1u) << "that may be gone with its machine";
}

/// A job has two workers, and the first of them does all its blocks. Returns the messages at its
/// end.
std::vector<std::string> EndBeforeTheSecondWorkerHasCome(bool late_workers_stopped) {
  CoreOptions options;  // no state directory, so nothing waits for a disk
  options.late_workers_stopped = late_workers_stopped;
  Script script(options);
  script.Say("client", R"(["hello", {"role": "client"}])");
  script.Say("l", R"(["hello", {"role": "launcher", "pid": 7}])");
  script.Say("client", R"(["submit", {"req": 1, "job": {"name": "job", "tasks": [
    {"task_id": "a", "total_roi": {"offset": [0], "shape": [20]},
     "read_roi": {"offset": [0], "shape": [10]}, "write_roi": {"offset": [0], "shape": [10]},
     "read_write_conflict": false, "workers": [{"command": ["work"], "count": 2}]}]}}])");
  EXPECT_EQ(script.effects().jobs_begun, std::vector<std::string>{"job-1"});
  script.Say("l", R"(["launched", {"worker": 1, "pid": 9}])");
  script.Say("l", R"(["launched", {"worker": 2, "pid": 10}])");
  script.Say("w", R"(["hello", {"role": "worker", "task": "a", "worker": 1}])");
  EXPECT_EQ(script.core().JobOfWorker(WorkerId(2)), "job-1");
  EXPECT_EQ(script.core().JobOfWorker(WorkerId(3)), "");
  EXPECT_TRUE(Has(script.Say("w", R"(["acquire", {"want": 2}])"), "\"work\""));
  EXPECT_TRUE(script.effects().jobs_ended.empty());
  std::vector<std::string> lines =
      script.Say("w", R"(["release", {"results": [{"lease": 1}, {"lease": 2}]}])");
  EXPECT_EQ(script.effects().jobs_ended, std::vector<std::string>{"job-1"});
  return lines;
}

TEST(LeaseTerms, WorkersThatHaveNotComeAreStoppedWhenTheirKeyEndsWithTheJob) {
  EXPECT_TRUE(Has(EndBeforeTheSecondWorkerHasCome(true), R"(["stop",{"worker":2)"));
  EXPECT_FALSE(Has(EndBeforeTheSecondWorkerHasCome(false), R"("stop")"))
      << "it says hello soon, and is told to leave";
}

TEST(LeaseTerms, ThePlaceOfARefusedConnectionIsFreeWhenItIsGone) {
  Script script(LeaseOf(2'000));
  EXPECT_TRUE(Has(script.Say("w", kHello), "unknown_job"));
  EXPECT_TRUE(Has(script.Lose("w"), "forget w"));
}

}  // namespace
}  // namespace bellis::test
