#include <fmt/format.h>

#include <algorithm>

#include "tools/conformance/checks.h"
#include "tools/conformance/stage.h"

namespace bellis::conformance {
namespace {

constexpr bool kMust = true;
constexpr int kBlockMs = 4000;
constexpr Duration kTwoBlocks = Duration::Millis(8000);

bool Lists(const HelloMsg& hello, uint64_t lease) {
  return std::any_of(hello.held.begin(), hello.held.end(),
                     [lease](const HeldLease& one) { return one.lease.value == lease; });
}

void MustList(const Stage& stage, const HelloMsg& hello, uint64_t lease, const char* what) {
  if (!Lists(hello, lease)) {
    stage.Break(fmt::format("expected lease {} in the hello's held, {}", lease, what));
  }
}

const Terms& Durable() {
  static const Terms& terms = *new Terms{.durable = true};
  return terms;
}

Terms DurableWithoutHeld() {
  Terms terms{.durable = true};
  terms.held.emplace();
  return terms;
}

void Session(Stage& stage) {
  stage.Start();
  const HelloMsg first = stage.AwaitHello();
  if (first.session == 0) stage.Break("expected a session in the hello, a random number above 0");
  if (first.greeting != 1) {
    stage.Break(
        fmt::format("the first hello says greeting 1, but this one says {}", first.greeting));
  }
  stage.Welcome();
  for (int i = 0; i < 2; ++i) {
    stage.Await([&] { return stage.wanted() > 0; }, "that it asks for a block");
    stage.SayError("hello_first", "say hello before anything else");
    stage.Welcome();  // all hellos are compared with those before
  }
  stage.OneBlockAndLeave();
}

/// Hands out a block under a durable broker, and has the worker say hello when the result is in.
uint64_t ResultThenHello(Stage& stage) {
  stage.Start();
  stage.Welcome(Durable());
  const uint64_t lease = stage.Hand(1).front();
  stage.AwaitResults();
  stage.SayError("hello_first", "say hello before anything else");
  MustList(stage, stage.AwaitHello(), lease, "since its result was not committed");
  return lease;
}

void KeepsResults(Stage& stage) {
  ResultThenHello(stage);
  stage.Welcome(Durable());
  stage.Await([&] { return stage.held() == 0; }, "the result that the welcome lists, again");
  stage.OneBlockAndLeave();
}

void ForgetsWhen(Stage& stage, const char* list) {
  stage.Start();
  stage.Welcome(Durable());
  const uint64_t lease = stage.Hand(1).front();
  stage.AwaitResults();
  stage.Say("committed", {{list, {lease}}});
  stage.SayError("hello_first", "say hello before anything else");
  if (Lists(stage.AwaitHello(), lease)) {
    stage.Break(fmt::format("lease {} stands in held, but committed named it in {}", lease, list));
  }
  stage.Welcome(Durable());
  stage.OneBlockAndLeave();
}

void ForgetsUnlisted(Stage& stage) {
  ResultThenHello(stage);
  stage.Welcome(DurableWithoutHeld());
  stage.OneBlockAndLeave();  // if the lease comes again, that is Broken
}

/// Starts a worker with slow blocks, and gives it two if it wants two.
std::vector<uint64_t> WorkOnSlowBlocks(Stage& stage) {
  Environment env = Slow(kBlockMs);
  env.emplace("BELLIS_PREFETCH", "2");
  stage.Start(env);
  stage.Welcome(Durable());
  stage.Await([&] { return stage.wanted() > 0; }, "that it asks for a block");
  std::vector<uint64_t> leases = stage.Hand(std::min(stage.wanted(), 2u));
  stage.Listen(Duration::Millis(300));  // so that the work arrives
  for (const uint64_t lease : leases) {
    const Handed& handed = stage.leases().at(lease);
    if (handed.state == Handed::State::kDone) {
      throw NotShown{
          "its block did not take the time that BELLIS_CONFORMANCE_MS says: wait so many "
          "milliseconds in each block if it is set"};
    }
  }
  return leases;
}

Duration ForABlock(const Stage& stage) {
  return kTwoBlocks + stage.options().silence + stage.options().patience;
}

void HelloListsAll(Stage& stage, const std::vector<uint64_t>& leases) {
  std::vector<uint64_t> own;
  for (const uint64_t lease : leases) {
    if (stage.leases().at(lease).state == Handed::State::kHeld) own.push_back(lease);
  }
  const HelloMsg hello = stage.AwaitHello(ForABlock(stage));
  for (const uint64_t lease : own) MustList(stage, hello, lease, "since it was given that before");
}

void GoOnWith(Stage& stage, const std::vector<uint64_t>& leases) {
  HelloListsAll(stage, leases);
  stage.Welcome(Durable());
  stage.AwaitResults(ForABlock(stage));
  stage.LeaveAndExit();
}

void CutWorking(Stage& stage) {
  const std::vector<uint64_t> leases = WorkOnSlowBlocks(stage);
  stage.Cut();
  GoOnWith(stage, leases);
}

void Restart(Stage& stage) {
  stage.StopBroker();
  stage.Listen(Duration::Millis(500));
  stage.StartBroker();
}

void RestartWorking(Stage& stage) {
  const std::vector<uint64_t> leases = WorkOnSlowBlocks(stage);
  Restart(stage);
  GoOnWith(stage, leases);
}

void RestartForgotten(Stage& stage) {
  const std::vector<uint64_t> leases = WorkOnSlowBlocks(stage);
  Restart(stage);
  HelloListsAll(stage, leases);
  stage.Welcome(DurableWithoutHeld());
  stage.Hand(1);
  stage.AwaitResults(ForABlock(stage));
  stage.LeaveAndExit();
}

}  // namespace

std::vector<Check> LastingChecks() {
  return {
      {"session", 2, kMust, "says one session, and a higher greeting in each hello", "WORKERS.md",
       "Connections break", 1, Session},
      {"keeps-results", 2, kMust, "lists what was not committed, and hands it in again",
       "WORKERS.md", "Results that are kept", 1, KeepsResults},
      {"forgets-committed", 2, kMust, "forgets results that were committed", "WORKERS.md",
       "Results that are kept", 1, [](Stage& stage) { ForgetsWhen(stage, "leases"); }},
      {"forgets-dropped", 2, kMust, "forgets results that were dropped", "WORKERS.md",
       "Results that are kept", 1, [](Stage& stage) { ForgetsWhen(stage, "dropped"); }},
      {"forgets-unlisted", 2, kMust, "forgets results that a welcome does not list", "WORKERS.md",
       "A welcome", 1, ForgetsUnlisted},
      {"cut-working", 2, kMust, "its connection is cut while it works: goes on with its blocks",
       "WORKERS.md", "A broken connection", 8, CutWorking},
      {"restart-working", 2, kMust, "its broker is started again while it works: goes on",
       "WORKERS.md", "A broker restart", 8, RestartWorking},
      {"restart-forgotten", 2, kMust, "the new broker takes its blocks back: it works on others",
       "WORKERS.md", "A welcome", 12, RestartForgotten},
  };
}

}  // namespace bellis::conformance
