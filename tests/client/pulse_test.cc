// When the pulse ends a process whose leases cannot be kept, and when it does not.

#include "client/cpp/pulse.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <thread>

#include "tests/client/fake_broker.h"

namespace {

/// While true, every allocation waits for ever, as if the holder of the heap's lock were stuck.
std::atomic<bool> heap_is_stuck = false;

#ifndef __SANITIZE_THREAD__
void* Allocate(size_t bytes) {
  while (heap_is_stuck) pause();
  return std::malloc(bytes == 0 ? 1 : bytes);
}
void* AllocateOrThrow(size_t bytes) {
  if (void* memory = Allocate(bytes)) return memory;
  throw std::bad_alloc();
}
#endif

}  // namespace

// ThreadSanitizer recognises libzmq's calls of its own new and delete (tests/tsan.supp). With
// these operators in place, it would take libzmq's calls for ours.
#ifndef __SANITIZE_THREAD__

void* operator new(size_t bytes) { return AllocateOrThrow(bytes); }
void* operator new[](size_t bytes) { return AllocateOrThrow(bytes); }
void* operator new(size_t bytes, const std::nothrow_t&) noexcept { return Allocate(bytes); }
void* operator new[](size_t bytes, const std::nothrow_t&) noexcept { return Allocate(bytes); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t) noexcept { std::free(memory); }
#endif

namespace bellis {
namespace {

constexpr int kHeartbeatMs = 100;

PulseOptions OptionsFor(const std::string& endpoint, uint32_t lease_ms) {
  PulseOptions options;
  options.endpoint = endpoint;
  options.worker = WorkerId(1);
  options.session = 5;
  options.lease_ms = lease_ms;
  options.heartbeat_ms = kHeartbeatMs;
  options.hello_sent = BootTime();
  return options;
}

void Wait(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

/// A handler that answers pulses and says that leases last `lease_ms`.
FakeBroker::Handler Answering(uint32_t lease_ms) {
  return [lease_ms](FakeBroker& broker, const FakeBroker::Peer& peer, const Message& message) {
    if (const auto* hello = std::get_if<HelloMsg>(&message)) {
      WelcomeMsg welcome;
      welcome.broker = "fake";
      welcome.worker = hello->worker;
      welcome.lease_ms = lease_ms;
      welcome.heartbeat_ms = kHeartbeatMs;
      broker.Send(peer, welcome);
    } else if (const auto* ping = std::get_if<PingMsg>(&message)) {
      broker.Send(peer, PongMsg{ping->nonce});
    }
  };
}

/// The status with which a process that runs `body` ends; 0 when `body` returns.
int StatusOf(const std::function<void()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    setpgid(0, 0);
    body();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}

bool WasKilled(int status) { return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL; }

TEST(Pulse, EndsTheProcessWhereverOtherThreadsAreStuck) {
  const TemporaryDir dir;
  EXPECT_TRUE(WasKilled(StatusOf([&] {
    alarm(20);
    Pulse pulse(OptionsFor("ipc://" + dir.path() + "/nobody", 500));
    pulse.SetWorking(true);
    heap_is_stuck = true;
    for (;;) pause();
  })));
}

TEST(Pulse, LeavesAProcessWithoutABlockAlone) {
  const TemporaryDir dir;
  EXPECT_EQ(StatusOf([&] {
              Pulse pulse(OptionsFor("ipc://" + dir.path() + "/nobody", 500));
              while (!pulse.expired()) Wait(1);
            }),
            0);
}

TEST(Pulse, UsesTheLeaseTimeOfTheBrokerThatAnswersNow) {
  std::atomic<bool> serving = true;
  const auto answer = Answering(2000);
  FakeBroker broker([&](FakeBroker& self, const FakeBroker::Peer& peer, const Message& message) {
    if (serving) answer(self, peer, message);
  });
  PulseOptions options = OptionsFor(broker.endpoint(), 60'000);  // an earlier broker's lease
  options.hello_sent = {BootTime().ns - Duration::Seconds(57).ns};
  Pulse pulse(options);
  ASSERT_TRUE(broker.AwaitKind("ping", 10));
  EXPECT_FALSE(pulse.expired());
  serving = false;
  const Instant silent = BootTime();
  while (!pulse.expired() && BootTime() < silent + Duration::Seconds(10)) Wait(1);
  EXPECT_LT(BootTime() - silent, Duration::Seconds(10));
}

TEST(Pulse, HelloListsWhatTheWorkerHoldsNow) {
  const std::vector<HeldLease> expected = {{LeaseId(2), 12, 1}, {LeaseId(3), 13, 2}};
  // A hello that was on its way while the leases changed is not answered: the pulse says the next.
  FakeBroker broker([&](FakeBroker& self, const FakeBroker::Peer& peer, const Message& message) {
    const auto* hello = std::get_if<HelloMsg>(&message);
    if (hello == nullptr || hello->held != expected) return;
    WelcomeMsg welcome;
    welcome.lease_ms = 60'000;
    welcome.heartbeat_ms = 10'000;
    self.Send(peer, welcome);
  });
  Pulse pulse(OptionsFor(broker.endpoint(), 60'000));
  pulse.SetHeld({{LeaseId(1), 11, 1}, {LeaseId(2), 12, 1}});
  LeasedBlock more;
  more.lease = LeaseId(3);
  more.index = 13;
  more.attempt = 2;
  pulse.Hold(WorkMsg{{more}});
  pulse.LetGo({LeaseId(1), 1});
  EXPECT_TRUE(broker.AwaitKind("ping")) << "no hello lists the leases 2 and 3";
}

TEST(Pulse, FenceIsNotCalledWhileALeaseShorterThanItsTimeIsKept) {
  FakeBroker broker(Answering(8000));
  std::atomic<bool> fenced = false;
  PulseOptions options = OptionsFor(broker.endpoint(), 8000);
  options.fence_time = Duration::Seconds(20);
  options.on_fence = [&] { fenced = true; };
  Pulse pulse(options);
  pulse.SetWorking(true);
  ASSERT_TRUE(broker.AwaitKind("ping", 15));
  EXPECT_FALSE(fenced);
}

}  // namespace
}  // namespace bellis
