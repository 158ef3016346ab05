#include <fmt/format.h>

#include <algorithm>

#include "common/machine.h"
#include "tools/conformance/checks.h"
#include "tools/conformance/stage.h"

namespace bellis::conformance {
namespace {

constexpr bool kMust = true;
constexpr bool kOptional = false;

void Hello(Stage& stage) {
  stage.Start();
  stage.Welcome();
  stage.Await([&] { return stage.wanted() > 0; }, "that it asks for a block");
  stage.LeaveAndExit();
}

/// A worker that a user starts by hand gets its number, job and task from the welcome.
void External(Stage& stage) {
  stage.StartExternal();
  Terms terms;
  terms.number = 9;
  stage.Welcome(terms);
  stage.Await([&] { return stage.wanted() > 0; }, "that it asks for a block");
  stage.SayError("hello_first", "say hello before anything else");
  stage.Welcome();
  stage.OneBlockAndLeave();
}

void OtherVersion(Stage& stage) {
  stage.Start();
  Terms terms;
  terms.more = {{"version", 2}};
  stage.Welcome(terms);
  stage.AwaitExit(false);
}

void Process(Stage& stage) {
  stage.Start();
  const HelloMsg hello = stage.AwaitHello();
  if (hello.machine != MachineName()) {
    stage.Break(fmt::format("the hello's machine is '{}', but here it is '{}'", hello.machine,
                            MachineName()));
  }
  const std::vector<pid_t> living = stage.program().Living();
  if (std::count(living.begin(), living.end(), hello.pid) == 0) {
    stage.Break(fmt::format("the hello's pid is {}, but the worker's processes are {}", hello.pid,
                            WorkerProgram::Names(living)));
  }
  stage.Welcome();
  stage.LeaveAndExit();
}

void OneBlock(Stage& stage) {
  stage.Start();
  stage.Welcome();
  for (int i = 0; i < 3; ++i) {
    stage.Hand(1);
    stage.AwaitResults();
  }
  stage.LeaveAndExit();
}

void Several(Stage& stage) {
  constexpr uint32_t kBlocks = 8;
  constexpr int kRounds = 12;
  stage.Start({{"BELLIS_PREFETCH", std::to_string(kBlocks)}});
  stage.Welcome();
  uint32_t most = 0;
  for (int i = 0; i < kRounds && most < 3; ++i) {
    stage.Await([&] { return stage.wanted() > 0; }, "that it asks for a block");
    const uint32_t blocks = std::min(stage.wanted(), kBlocks);
    stage.Hand(blocks);
    stage.AwaitResults();
    most = std::max(most, blocks);
  }
  stage.LeaveAndExit();
  if (most < 3) {
    throw NotShown{"it asks for one block at a time, also with BELLIS_PREFETCH=8"};
  }
}

void DrainIdle(Stage& stage) {
  stage.Start();
  stage.Welcome();
  stage.Await([&] { return stage.wanted() > 0; }, "that it asks for a block");
  stage.Say("drain", {{"reason", "fewer workers are wanted"}});
  stage.AwaitBye();
  stage.AwaitExit(true);
}

void DrainWorking(Stage& stage) {
  stage.Start();
  stage.Welcome();
  stage.Hand(1);
  stage.Say("drain", {{"reason", "fewer workers are wanted"}});
  stage.AwaitBye();
  if (stage.held() > 0) stage.Break("expected the result of its block before bye, but bye came");
  stage.AwaitExit(true);
}

void LeaveWorking(Stage& stage) {
  stage.Start();
  stage.Welcome();
  stage.Hand(1);
  stage.LeaveAndExit();
}

constexpr char kRefusal[] = "the token is wrong, says the conformance check";

void Refused(Stage& stage) {
  stage.Start();
  stage.AwaitHello();
  stage.SayError("unauthorized", kRefusal);
  stage.AwaitExit(false);
}

void RefusedWithText(Stage& stage) {
  Refused(stage);
  if (stage.OutputTail().find(kRefusal) == std::string::npos) {
    stage.Break(
        fmt::format("the error's message, '{}', is neither on stderr nor on stdout", kRefusal));
  }
}

void RefusedUnknownCode(Stage& stage) {
  stage.Start();
  stage.AwaitHello();
  stage.SayError("x_of_a_later_version", "refused for a reason of a later version");
  stage.AwaitExit(false);
}

void Keys(Stage& stage) {
  stage.Start({}, /*keys=*/true);
  stage.Welcome();
  stage.OneBlockAndLeave();
}

void FailedBlock(Stage& stage) {
  stage.Start(Failing(100));
  stage.Welcome();
  const uint64_t lease = stage.Hand(1).front();
  stage.Await([&] { return stage.held() == 0; }, "the result of the block");
  if (stage.leases().at(lease).result.outcome != BlockOutcome::kFailed) {
    throw NotShown{
        "its block did not fail: fail each block if BELLIS_CONFORMANCE_ERROR_BYTES is set"};
  }
  const std::string& error = stage.leases().at(lease).result.error;
  if (error.find(std::string(100, 'x')) == std::string::npos) {
    stage.Break("the failed block's error does not have the text with which it failed: " + error);
  }
  stage.Await([&] { return stage.wanted() > 0 || stage.said_bye(); },
              "that it asks for more, or bye");
}

void LongError(Stage& stage) {
  stage.Start(Failing(3'000'000));
  stage.Welcome();
  const uint64_t lease = stage.Hand(1).front();
  stage.Await([&] { return stage.held() == 0; }, "the result of the block, within 1 MiB");
  if (stage.leases().at(lease).result.outcome != BlockOutcome::kFailed) {
    throw NotShown{
        "its block did not fail: fail each block if BELLIS_CONFORMANCE_ERROR_BYTES is set"};
  }
}

}  // namespace

std::vector<Check> TalkChecks() {
  return {
      {"hello", 0, kMust, "says who it is, asks after the welcome, leaves with bye and code 0",
       "MESSAGES.md", "hello", 1, Hello},
      {"process", 0, kOptional, "tells its pid and machine, by which it is known again",
       "PROTOCOL.md", "Say hello again", 1, Process},
      {"external", 0, kMust, "started by hand: later hellos say what the welcome told it",
       "WORKERS.md", "Environment", 1, External},
      {"other-version", 0, kOptional, "stops when the broker speaks another version", "PROTOCOL.md",
       "Versions and extensions", 1, OtherVersion},
      {"one-block", 0, kMust, "hands in each block once, and asks for the next", "PROTOCOL.md",
       "Talk", 1, OneBlock},
      {"several-blocks", 0, kMust, "works on all blocks of a message", "WORKERS.md", "A batch", 1,
       Several},
      {"drain-waiting", 0, kMust, "waits, is told to drain: bye, exit 0", "PROTOCOL.md",
       "What to do with what comes", 1, DrainIdle},
      {"drain-working", 0, kMust, "has a block, is told to drain: hands it in, bye, exit 0",
       "PROTOCOL.md", "What to do with what comes", 1, DrainWorking},
      {"leave-working", 0, kMust, "has a block, is told to leave: bye, exit 0", "PROTOCOL.md",
       "What to do with what comes", 1, LeaveWorking},
      {"refused", 0, kMust, "its hello is refused: exits with another code than 0", "PROTOCOL.md",
       "What to do with what comes", 1, Refused},
      {"refused-text", 0, kOptional, "its hello is refused: prints the broker's message",
       "PROTOCOL.md", "What to do with what comes", 1, RefusedWithText},
      {"refused-new-code", 0, kOptional, "takes an unknown error code for bad_message",
       "MESSAGES.md", "Errors", 1, RefusedUnknownCode},
      {"keys", 0, kOptional, "encrypts with the keys of its environment", "TRANSPORT.md", "Keys", 1,
       Keys},
      {"failed-block", 0, kOptional,
       "a block that fails is handed in with its error, and it goes on", "MESSAGES.md", "release",
       1, FailedBlock},
      {"long-error", 0, kMust, "an error text of 3 MB: its message has at most 1 MiB",
       "TRANSPORT.md", "Sockets", 1, LongError},
  };
}

}  // namespace bellis::conformance
