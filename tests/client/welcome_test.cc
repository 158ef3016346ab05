// A worker that is welcomed twice, or was given up (WORKERS.md, "What to do with what comes").

#include <gtest/gtest.h>

#include "bellis/worker.h"
#include "tests/client/fake_broker.h"
#include "tests/client/one_at_a_time.h"

namespace bellis {
namespace {

using Peer = FakeBroker::Peer;

const WelcomeMsg kWelcome{1, "fake", "job-1", "smooth", WorkerId(3)};

TEST(WorkerWelcome, ASecondWelcomeDoesNothing) {
  FakeBroker broker([](FakeBroker& self, const Peer& peer, const Message& message) {
    if (std::holds_alternative<HelloMsg>(message)) self.Send(peer, kWelcome);
    if (std::holds_alternative<AcquireMsg>(message)) {
      self.Send(peer, kWelcome);
      self.Send(peer, WorkMsg{{TestBlock(4)}});
    }
    if (std::holds_alternative<ReleaseMsg>(message)) self.Send(peer, LeaveMsg{"done"});
  });
  WorkerOptions options = OneAtATime(broker);
  Worker worker(options);
  worker.Run([](const Block&) {});
  EXPECT_EQ(broker.All<AcquireMsg>().size(), 1u);
}

TEST(WorkerWelcome, AWorkerThatWasGivenUpComesAsANewOneThatHoldsNothing) {
  FakeBroker broker([](FakeBroker& self, const Peer& peer, const Message& message) {
    if (const auto* hello = std::get_if<HelloMsg>(&message)) {
      WelcomeMsg welcome = kWelcome;
      welcome.durable = true;
      self.Send(peer, hello->greeting == 1 && hello->held.empty() ? welcome : WelcomeMsg{});
    }
    if (std::holds_alternative<AcquireMsg>(message)) self.Send(peer, WorkMsg{{TestBlock(4)}});
    if (const auto* release = std::get_if<ReleaseMsg>(&message)) {
      if (self.All<HelloMsg>().size() > 1) return self.Send(peer, LeaveMsg{"done"});
      if (!release->results.empty()) {
        self.Send(peer, ErrorMsg{ErrorCode::kUnknownWorker, "worker 3 was given up", 0});
      }
    }
  });
  WorkerOptions options = OneAtATime(broker);
  Worker worker(options);
  worker.Run([](const Block&) {});
  const auto said = broker.All<HelloMsg>();
  ASSERT_EQ(said.size(), 2u);
  EXPECT_EQ(said[1].greeting, 1u);
  EXPECT_NE(said[1].session, said[0].session);
  EXPECT_TRUE(said[1].held.empty());
  EXPECT_FALSE(said[1].worker.set());
}

}  // namespace
}  // namespace bellis
