#include "broker/core/launcher_links.h"

#include <gtest/gtest.h>

#include "tests/broker/core/owners_fixture.h"

namespace bellis::test {
namespace {

class LauncherLinksPart : public OwnersFixture {
 protected:
  /// The launcher's connection breaks.
  void Break() {
    peers_.Erase(kLauncher);
    links_.End(launcher_, PeerEnd::kLost);
  }
  /// A launcher with that process id says hello over `peer`.
  void Hello(PeerId peer, int64_t pid, int64_t former_pid = 0) {
    peers_.Bind(peer, {.role = Role::kLauncher});
    HelloMsg hello{.role = Role::kLauncher};
    hello.host = "host";
    hello.pid = pid;
    hello.former_pid = former_pid;
    hello.machine = "machine";
    links_.Hello(peer, hello);
  }
  /// A launched worker that holds a block.
  Worker& Busy() {
    Worker& worker = Launch(job_);
    Connect(worker, kPeer);
    HandOut(worker);
    return worker;
  }

  Job& job_ = Begin(TaskOf(8));
  Orders orders_{All()};
  Results results_{All(), &orders_};
  LostLeases lost_leases_{All(), &results_};
  Claims claims_{All(), &results_};
  Exits exits_{All(), &lost_leases_, &claims_};
  LauncherLinks links_{All(), &orders_, &exits_};
};

TEST_F(LauncherLinksPart, ALauncherThatIsBackIsTheSameAndGetsItsOrdersAgain) {
  Worker& starting = Launch(job_);
  Worker& stopped = Launch(job_);
  stopped.stop_asked = true;
  Worker& running = Launch(job_);
  running.reported = true;
  Break();
  EXPECT_FALSE(launchers_.At(launcher_).here());
  EXPECT_EQ(roster_.all().size(), 3u) << "its workers may live";
  Hello(kOther, 5);
  EXPECT_EQ(peers_.Find(kOther)->launcher, launcher_);
  const auto launched = SentTo<LaunchMsg>(kOther);
  ASSERT_EQ(launched.size(), 1u);
  EXPECT_EQ(launched[0].worker, starting.id);
  const auto stops = SentTo<StopMsg>(kOther);
  ASSERT_EQ(stops.size(), 1u);
  EXPECT_EQ(stops[0].worker, stopped.id);
}

TEST_F(LauncherLinksPart, ALauncherThatSaysByeIsLost) {
  Busy();
  links_.End(launcher_, PeerEnd::kBye);
  EXPECT_EQ(launchers_.Find(launcher_), nullptr);
  EXPECT_TRUE(roster_.empty());
}

TEST_F(LauncherLinksPart, ALauncherWithoutAPidCannotComeBack) {
  launchers_.At(launcher_).process.pid = 0;
  Break();
  EXPECT_EQ(launchers_.Find(launcher_), nullptr);
}

TEST_F(LauncherLinksPart, ALauncherThatIsAwayForTooLongIsLost) {
  Busy();
  Break();
  Pass(Duration::Seconds(29));
  links_.AwayTooLong(launcher_);
  EXPECT_NE(launchers_.Find(launcher_), nullptr);
  Pass(Duration::Seconds(1));
  links_.AwayTooLong(launcher_);
  EXPECT_EQ(launchers_.Find(launcher_), nullptr);
  EXPECT_TRUE(roster_.empty());
  EXPECT_EQ(job_.counts(0).ready, 8u);
  EXPECT_EQ(job_.tasks[0].failures_total, 0u) << "the block is not to blame";
}

TEST_F(LauncherLinksPart, AWorkerThatPingsOutlivesItsLauncher) {
  Worker& worker = Busy();
  worker.heartbeat_ms = 1000;
  roster_.RenewLease(worker);
  links_.Lose(launcher_);
  EXPECT_EQ(launchers_.Find(launcher_), nullptr);
  EXPECT_FALSE(worker.launched());
  EXPECT_EQ(worker.held.size(), 1u);
  EXPECT_EQ(job_.tasks[0].restarts, 1u) << "another is started in its place";
}

TEST_F(LauncherLinksPart, ALauncherThatReplacesAnotherEndsTheOther) {
  Busy();
  Hello(kOther, 6, 5);
  EXPECT_EQ(launchers_.Find(launcher_), nullptr);
  EXPECT_TRUE(roster_.empty());
  EXPECT_EQ(effects_.forget, (std::vector<PeerId>{kLauncher}));
  EXPECT_TRUE(launchers_.At(peers_.Find(kOther)->launcher).here());
}

TEST_F(LauncherLinksPart, ALaunchersConnectionIsTestedWhileItHasWorkers) {
  links_.ArmProbe(launcher_);
  links_.ProbeDue(launcher_);
  EXPECT_TRUE(SentTo<PongMsg>(kLauncher).empty());
  Launch(job_);
  links_.ProbeDue(launcher_);
  EXPECT_EQ(SentTo<PongMsg>(kLauncher).size(), 1u);
  Break();
  links_.ProbeDue(launcher_);
  ASSERT_EQ(effects_.probes.size(), 1u) << "while it is away, its process is looked for";
  EXPECT_EQ(effects_.probes[0].process.pid, 5);
}

}  // namespace
}  // namespace bellis::test
