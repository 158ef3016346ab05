// A worker that hears nothing, or hears something twice (WORKERS.md, "What to do with what comes").

#include <gtest/gtest.h>

#include <set>

#include "bellis/worker.h"
#include "tests/client/fake_broker.h"
#include "tests/client/one_at_a_time.h"

namespace bellis {
namespace {

using Peer = FakeBroker::Peer;

WorkerOptions OptionsFor(const FakeBroker& broker) {
  WorkerOptions options = OneAtATime(broker);
  options.connect_timeout = Duration::Seconds(60);
  options.ping_interval = Duration::Millis(300);
  return options;
}

const WelcomeMsg kWelcome{1, "fake", "job-1", "smooth", WorkerId(3)};

TEST(WorkerSilence, AHelloThatIsNotAnsweredIsSaidAgain) {
  int hellos = 0;
  FakeBroker broker([&](FakeBroker& self, const Peer& peer, const Message& message) {
    if (std::holds_alternative<HelloMsg>(message) && ++hellos == 2) self.Send(peer, kWelcome);
    if (std::holds_alternative<AcquireMsg>(message)) self.Send(peer, LeaveMsg{"done"});
  });
  Worker worker(OptionsFor(broker));
  EXPECT_FALSE(worker.Acquire());
  const auto said = broker.All<HelloMsg>();
  ASSERT_GE(said.size(), 2u);
  EXPECT_EQ(said[1].greeting, 2u);
  EXPECT_EQ(said[1].session, said[0].session);
}

TEST(WorkerSilence, APingThatIsNotAnsweredOpensTheEndpointAnew) {
  std::set<Peer> greeted;  // of the broker's thread
  FakeBroker broker([&greeted](FakeBroker& self, const Peer& peer, const Message& message) {
    if (std::holds_alternative<HelloMsg>(message)) {
      greeted.insert(peer);
      self.Send(peer, kWelcome);
    }
    // Over the first connection nothing is answered any more.
    if (std::holds_alternative<AcquireMsg>(message) && greeted.size() > 1) {
      self.Send(peer, LeaveMsg{"over the second connection"});
    }
  });
  WorkerOptions options = OptionsFor(broker);
  options.on_notice = [](Severity, const std::string&) {};
  Worker worker(options);
  EXPECT_FALSE(worker.Acquire());
  EXPECT_GE(broker.All<HelloMsg>().size(), 2u);
  EXPECT_GE(broker.All<PingMsg>().size(), 1u);
}

}  // namespace
}  // namespace bellis
