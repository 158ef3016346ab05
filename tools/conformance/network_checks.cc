#include "tools/conformance/checks.h"
#include "tools/conformance/stage.h"

namespace bellis::conformance {
namespace {

constexpr bool kMust = true;

Duration After(const Stage& stage, int silences) {
  Duration patience = stage.options().patience;
  for (int i = 0; i < silences; ++i) patience = patience + stage.options().silence;
  return patience;
}

void AwaitAsked(Stage& stage) {
  stage.Await([&] { return stage.wanted() > 0; }, "that it asks for a block");
}

void Waiting(Stage& stage) {
  stage.Start();
  stage.Welcome();
  AwaitAsked(stage);
  stage.Listen(Duration::Millis(500));
  const uint32_t wanted = stage.wanted();
  stage.Await([&] { return stage.worker_pings() > 0 || stage.has_open_hello(); },
              "a ping over the connection on which nothing came for 10 s", After(stage, 1));
  if (stage.has_open_hello()) stage.Welcome();
  if (stage.wanted() > wanted) stage.Break("a request waits in the broker, but it asked again");
  stage.OneBlockAndLeave();
}

void UnansweredHello(Stage& stage) {
  stage.Start();
  stage.AwaitHello();
  stage.PassOverHello();
  stage.AwaitHello(After(stage, 1));
  stage.Welcome();
  stage.OneBlockAndLeave();
}

void HalfOpen(Stage& stage) {
  stage.Start();
  stage.Welcome();
  AwaitAsked(stage);
  stage.Hold();
  stage.AwaitHello(After(stage, 2));
  stage.Welcome();
  stage.OneBlockAndLeave();
}

void CutWaiting(Stage& stage) {
  stage.Start();
  stage.Welcome();
  AwaitAsked(stage);
  stage.Cut();
  stage.AwaitHello(After(stage, 2));
  stage.Welcome();
  stage.OneBlockAndLeave();
}

void CutInMessage(Stage& stage) {
  stage.Start();
  stage.Welcome();
  AwaitAsked(stage);
  stage.CutInTheNextFrame();
  stage.Hand(1);
  stage.AwaitHello(After(stage, 2));
  stage.Welcome();
  stage.OneBlockAndLeave();
}

void RestartWaiting(Stage& stage) {
  stage.Start();
  stage.Welcome();
  AwaitAsked(stage);
  stage.StopBroker();
  stage.Listen(Duration::Millis(1000));
  stage.StartBroker();
  stage.AwaitHello(After(stage, 2));
  stage.Welcome();
  stage.OneBlockAndLeave();
}

}  // namespace

std::vector<Check> NetworkChecks() {
  return {
      {"waiting", 0, kMust, "waits without asking again, pings after 10 s, then works",
       "TRANSPORT.md", "When the broker is silent", 11, Waiting},
      {"unanswered-hello", 0, kMust,
       "says hello again after 10 s, and nothing else before the welcome", "TRANSPORT.md",
       "When the broker is silent", 11, UnansweredHello},
      {"half-open", 0, kMust, "opens another socket when its ping is not answered, either",
       "TRANSPORT.md", "When the broker is silent", 21, HalfOpen},
      {"cut-waiting", 0, kMust, "its connection is cut while it waits: hello, and goes on",
       "PROTOCOL.md", "Say hello again", 11, CutWaiting},
      {"cut-in-message", 0, kMust,
       "its connection is cut in the middle of a message: hello, goes on", "PROTOCOL.md",
       "Say hello again", 11, CutInMessage},
      {"restart-waiting", 0, kMust,
       "its broker is started again while it waits: hello, and goes on", "PROTOCOL.md",
       "Say hello again", 12, RestartWaiting},
  };
}

}  // namespace bellis::conformance
