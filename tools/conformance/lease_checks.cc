#include <fmt/format.h>
#include <signal.h>

#include <algorithm>

#include "tools/conformance/checks.h"
#include "tools/conformance/stage.h"

namespace bellis::conformance {
namespace {

constexpr bool kMust = true;
// A block that does not end by itself while a check lasts.
constexpr int kEndlessMs = 120'000;
// How late this process itself may look.
constexpr Duration kLookingLate = Duration::Millis(100);
// A machine on which a process that is to run waits that long says nothing about a worker.
constexpr Duration kBusy = Duration::Millis(150);

constexpr char kHowToBeSlow[] =
    "its block did not take the time that BELLIS_CONFORMANCE_MS says: wait so many milliseconds in "
    "each block if it is set";

void WelcomeWithHeartbeats(Stage& stage) {
  stage.Welcome();
  if (stage.hellos().back().heartbeat_ms == 0) {
    stage.Break("level 1 promises heartbeats, but the hello's heartbeat_ms is 0");
  }
}

void Heartbeats(Stage& stage) {
  stage.Start();
  WelcomeWithHeartbeats(stage);
  for (size_t ping = 1; ping <= 3; ++ping) {
    stage.Await([&] { return stage.pings() >= ping; },
                fmt::format("ping {} of a worker that promised one every {} ms", ping,
                            stage.granted_heartbeat_ms()),
                Duration::Millis(stage.granted_lease_ms()));
  }
  stage.OneBlockAndLeave();
}

/// A block that takes longer than a lease.
void HeartbeatsWorking(Stage& stage) {
  const uint32_t lease_ms = stage.options().lease_ms;
  const Duration block = Duration::Millis(lease_ms + lease_ms / 4);
  stage.Start(Slow(static_cast<int>(block.millis())));
  WelcomeWithHeartbeats(stage);
  const uint64_t lease = stage.Hand(1).front();
  const size_t before = stage.pings();
  stage.AwaitResults(block + stage.options().patience);
  const Handed& handed = stage.leases().at(lease);
  if (handed.released_at - handed.handed_at < block) throw NotShown{kHowToBeSlow};
  const size_t due = static_cast<size_t>(block.millis()) / stage.granted_heartbeat_ms();
  if (stage.pings() - before < due / 2) {
    stage.Break(fmt::format("expected a ping every {} ms while it worked for {:g} s, but {} came",
                            stage.granted_heartbeat_ms(), block.seconds(), stage.pings() - before));
  }
  stage.LeaveAndExit();
}

/// Whether the worker said that it works on the lease no longer.
bool GaveUp(const Stage& stage, uint64_t lease) {
  return stage.leases().at(lease).state == Handed::State::kGone;
}

void NotYetReleased(const Stage& stage, uint64_t lease) {
  if (stage.leases().at(lease).state == Handed::State::kDone) throw NotShown{kHowToBeSlow};
}

Instant LeaseEnd(const Stage& stage) {
  return stage.last_answered() + Duration::Millis(stage.granted_lease_ms());
}

uint64_t HandOneAndPing(Stage& stage) {
  stage.Start(Slow(kEndlessMs));
  WelcomeWithHeartbeats(stage);
  const uint64_t lease = stage.Hand(1).front();
  const size_t pings = stage.pings();
  stage.Await([&] { return stage.pings() > pings || !stage.held(); }, "a ping while it works",
              Duration::Millis(stage.granted_heartbeat_ms()) + stage.options().patience);
  NotYetReleased(stage, lease);
  return lease;
}

void LeaseEnds(Stage& stage) {
  const uint64_t lease = HandOneAndPing(stage);
  stage.Mute();
  const Instant end = LeaseEnd(stage);
  stage.Note("nothing is answered any more: the lease ends " +
             fmt::format("{:.3f} s from now", (end - Now()).seconds()));
  const auto over = [&] { return stage.program().Living().empty() || GaveUp(stage, lease); };
  Duration latest;  // that this process itself came to look
  while (Now() < end + kLookingLate && !over()) {
    const Instant due = Now() + Duration::Millis(20);
    stage.Listen(Duration::Millis(20));
    latest = std::max(latest, Now() - due);
  }
  if (over()) return;
  if (latest > kBusy) {
    throw NotShown{fmt::format("this machine is too busy: this program itself was {:.2f} s late",
                               latest.seconds())};
  }
  NotYetReleased(stage, lease);
  const std::string names = WorkerProgram::Names(stage.program().Living());
  const Instant bound = end + Duration::Seconds(5);
  while (Now() < bound && !over()) stage.Listen(Duration::Millis(10));
  stage.Break(
      fmt::format("expected that all work stops by the end of the lease, but {} {} {:.2f} s later",
                  names, over() ? "stopped only" : "still lived", (Now() - end).seconds()));
}

void Paused(Stage& stage) {
  const uint64_t lease = HandOneAndPing(stage);
  stage.Note("all processes of the worker are stopped (SIGSTOP) until its lease is over");
  stage.program().Signal(SIGSTOP);
  stage.Mute();
  const Instant end = LeaseEnd(stage) + Duration::Millis(500);
  while (Now() < end) stage.Listen(end - Now());
  stage.Note("they go on (SIGCONT)");
  stage.program().Signal(SIGCONT);
  stage.Await(
      [&] {
        NotYetReleased(stage, lease);
        return stage.ended() || GaveUp(stage, lease);
      },
      "that it ends, or says that it has stopped work on the lease that ended meanwhile");
  if (GaveUp(stage, lease)) return;
  stage.Await([&] { return stage.program().Living().empty(); }, "that all its processes end");
}

}  // namespace

std::vector<Check> LeaseChecks() {
  return {
      {"heartbeats", 1, kMust, "pings as often as the welcome says, while it waits", "WORKERS.md",
       "Leases end", 6, Heartbeats},
      {"heartbeats-working", 1, kMust, "pings while it computes, so that a long block is kept",
       "WORKERS.md", "Leases end", 11, HeartbeatsWorking},
      {"lease-ends", 1, kMust, "no ping is answered: all its processes stop before the lease ends",
       "WORKERS.md", "Leases end", 11, LeaseEnds},
      {"paused", 1, kMust, "is stopped past its lease and goes on: stops work at once",
       "WORKERS.md", "Leases end", 12, Paused},
  };
}

}  // namespace bellis::conformance
