#include <fmt/format.h>

#include "tools/conformance/checks.h"
#include "tools/conformance/stage.h"

namespace bellis::conformance {
namespace {

constexpr bool kMust = true;
constexpr bool kOptional = false;

void UnknownKinds(Stage& stage) {
  const Json gossip = {{"about", {{"anything", {1, 2, 3}}}}, {"blocks", Json::array()}};
  stage.Start();
  stage.AwaitHello();
  stage.Say("x_gossip", gossip);
  stage.Welcome();
  stage.Say("x_gossip", gossip);
  stage.Hand(1);
  stage.Say("x_gossip", Json::object());
  stage.AwaitResults();
  stage.OneBlockAndLeave();
}

void UnknownKeys(Stage& stage) {
  const Style strangers{.strangers = true};
  stage.Start();
  Terms terms;
  terms.style = strangers;
  stage.Welcome(terms);
  stage.Hand(1, strangers);
  stage.AwaitResults();
  stage.Say("drain", {{"reason", "fewer workers are wanted"}}, strangers);
  stage.AwaitBye();
  stage.AwaitExit(true);
}

void Encodings(Stage& stage) {
  using Integers = Style::Integers;
  const Style wide{Integers::kUint64, 32, 32, true, false};
  const Style styles[] = {{Integers::kUint16, 8, 16, false, false},
                          {Integers::kInt64, 16, 16, true, false},
                          wide,
                          {Integers::kShortest, 8, 32, true, false}};
  stage.Start();
  Terms terms;
  terms.style = wide;
  stage.Welcome(terms);
  for (const Style& style : styles) {
    stage.Hand(1, style);
    stage.AwaitResults();
  }
  stage.Say("leave", {{"reason", "the task is done"}}, wide);
  stage.AwaitBye();
  stage.AwaitExit(true);
}

/// The broker leaves out every field that has its default value.
void LeftOut(Stage& stage) {
  stage.Start();
  stage.Welcome();
  stage.Hand(1);
  stage.AwaitResults();
  stage.Say("leave", Json::object());
  stage.AwaitBye();
  stage.AwaitExit(true);
}

void Retry(Stage& stage) {
  stage.Start();
  stage.Welcome();
  stage.Hand(1, {}, /*attempt=*/2);
  stage.AwaitResults();
  stage.OneBlockAndLeave();
}

void SecondWelcome(Stage& stage) {
  stage.Start();
  stage.Welcome();
  stage.Await([&] { return stage.wanted() > 0; }, "that it asks for a block");
  const size_t asked = stage.asked();
  stage.Say("welcome", {{"version", 1}, {"job", kJob}, {"task", kTask}, {"worker", 7}});
  stage.Hand(1);
  stage.AwaitResults();
  if (stage.asked() > asked + 1) stage.Break("it asked again at the second welcome");
  stage.LeaveAndExit();
}

void OnlyOneHello(const Stage& stage) {
  if (stage.hellos().size() == 2) return;
  stage.Break(fmt::format("one hello answers three times hello_first, but {} came",
                          stage.hellos().size() - 1));
}

void HelloAgain(Stage& stage) {
  stage.Start();
  Terms terms;
  terms.number = 42;
  stage.Welcome(terms);
  stage.Await([&] { return stage.wanted() > 0; }, "that it asks for a block");
  for (int i = 0; i < 3; ++i) stage.SayError("hello_first", "say hello before anything else");
  stage.AwaitHello();
  stage.Listen(Duration::Millis(200));
  OnlyOneHello(stage);
  // This block was sent before the hello, which took it back: the worker must not work on it.
  stage.Say("work", {{"blocks", {stage.MakeBlock(99)}}});
  stage.Welcome();
  stage.Hand(1);
  stage.AwaitResults();
  OnlyOneHello(stage);
  stage.LeaveAndExit();
}

/// The result comes over a connection that the broker does not know.
void RefusedResult(Stage& stage) {
  stage.Start();
  stage.Welcome();
  stage.Hand(1);
  stage.ForgetConnections();
  stage.Note("the broker forgets its connections");
  stage.AwaitHello();
  Terms terms;
  terms.held.emplace();
  stage.Welcome(terms);
  stage.OneBlockAndLeave();
}

void UnknownWorker(Stage& stage) {
  stage.Start();
  Terms terms;
  terms.number = 42;
  stage.Welcome(terms);
  stage.Await([&] { return stage.wanted() > 0; }, "that it asks for a block");
  stage.ForgetWorker();
  stage.SayError("unknown_worker", "worker 42 was given up");
  if (!stage.AwaitHello().held.empty()) stage.Break("expected a hello that holds nothing");
  stage.Welcome();
  stage.OneBlockAndLeave();
}

void LateError(Stage& stage) {
  stage.Start();
  stage.Welcome();
  stage.Await([&] { return stage.wanted() > 0; }, "that it asks for a block");
  stage.SayError("storage", "a message of this worker was refused");
  stage.OneBlockAndLeave();
}

void UnknownGiven(Stage& stage) {
  stage.Start();
  stage.Welcome();
  stage.Await([&] { return stage.wanted() > 0; }, "that it asks for a block");
  stage.SayError("unknown_worker", "worker 7 is not a worker of this broker any more");
  stage.AwaitExit(false);
}

}  // namespace

std::vector<Check> MessageChecks() {
  return {
      {"unknown-kinds", 0, kMust, "ignores kinds that it does not know", "PROTOCOL.md",
       "Versions and extensions", 1, UnknownKinds},
      {"unknown-keys", 0, kMust, "ignores keys that it does not know, whatever their values",
       "MESSAGES.md", "Keys", 1, UnknownKeys},
      {"encodings", 0, kMust, "reads every width of integer, text, array and map", "MESSAGES.md",
       "Encoding", 1, Encodings},
      {"left-out", 0, kMust, "reads messages without what has a default", "MESSAGES.md", "Keys", 1,
       LeftOut},
      {"retry", 0, kMust, "works on the second attempt at a block", "MESSAGES.md", "work", 1,
       Retry},
      {"second-welcome", 0, kMust, "does nothing at a second welcome", "PROTOCOL.md",
       "What to do with what comes", 1, SecondWelcome},
      {"hello-again", 0, kMust, "says hello once at several hello_first; drops work of before",
       "PROTOCOL.md", "Say hello again", 1, HelloAgain},
      {"refused-result", 0, kMust, "its result is refused by hello_first: says hello, goes on",
       "PROTOCOL.md", "Say hello again", 1, RefusedResult},
      {"unknown-worker", 0, kMust, "was given up: says hello with the number that it was given",
       "WORKERS.md", "unknown_worker", 1, UnknownWorker},
      {"unknown-given", 0, kMust, "its given number is unknown: exits with another code than 0",
       "WORKERS.md", "unknown_worker", 1, UnknownGiven},
      {"late-error", 1, kOptional, "goes on when a message of it is refused", "WORKERS.md",
       "What to do with what comes", 1, LateError},
  };
}

}  // namespace bellis::conformance
