#include "client/cpp/pulse.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "client/cpp/connection.h"
#include "common/machine.h"
#include "common/signals_blocked.h"

namespace bellis {
namespace {

constexpr size_t kPingsKept = 64;
constexpr Duration kGreetInterval = Duration::Millis(250);
constexpr int64_t kWatchSliceMs = 50;

Duration MarginOf(uint32_t lease_ms) {
  const int64_t lease_ns = Duration::Millis(lease_ms).ns;
  return {lease_ns / 100 + std::min(Duration::Millis(500).ns, lease_ns / 10)};
}

}  // namespace

Instant BootTime() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return {int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec};
}

Pulse::Pulse(const PulseOptions& options)
    : options_(options),
      end_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      lease_ms_(options.lease_ms),
      heartbeat_ms_(options.heartbeat_ms),
      worker_(options.worker),
      session_(options.session) {
  deadline_ns_ = DeadlineOf(options.hello_sent).ns;
  const SignalsBlocked blocked;  // they are the user's business, in the user's threads
  thread_ = std::thread([this] { Run(); });
  watch_ = std::thread([this] { Watch(); });
}

Pulse::~Pulse() {
  {
    const std::lock_guard hold(mutex_);
    ending_ = true;
    wake_.notify_all();
  }
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(end_fd_, &one, sizeof(one));
  thread_.join();
  watch_ending_ = true;
  watch_.join();
  if (end_fd_ >= 0) close(end_fd_);
}

Instant Pulse::DeadlineOf(Instant sent) const {
  return {sent.ns + Duration::Millis(lease_ms_).ns - MarginOf(lease_ms_).ns};
}

void Pulse::TakeOver(uint32_t lease_ms, uint32_t heartbeat_ms) {
  if (lease_ms == 0) return;
  lease_ms_ = lease_ms;
  heartbeat_ms_ = heartbeat_ms;
}

void Pulse::Renew(WorkerId worker, uint64_t session, Instant hello_sent, uint32_t lease_ms,
                  uint32_t heartbeat_ms) {
  const std::lock_guard hold(mutex_);
  TakeOver(lease_ms, heartbeat_ms);
  worker_ = worker;
  session_ = session;
  deadline_ns_ = std::max(deadline_ns_.load(), DeadlineOf(hello_sent).ns);
  expired_ = false;
}

void Pulse::SetHeld(const std::vector<HeldLease>& held) {
  const std::lock_guard hold(mutex_);
  held_.Clear();
  for (const HeldLease& one : held) held_.Add(one);
}

void Pulse::Hold(const WorkMsg& work) {
  const std::lock_guard hold(mutex_);
  for (const LeasedBlock& block : work.blocks) {
    held_.Add(HeldLease{block.lease, block.index, block.attempt});
  }
  for (const WorkRun& run : work.runs) held_.Add(run);
}

void Pulse::LetGo(const LeaseRun& leases) {
  const std::lock_guard hold(mutex_);
  held_.Remove(leases);
}

/// No lock, no memory, nothing that the rest of the process may have broken.
void Pulse::Fence() {
  static constexpr char kWords[] =
      "bellis: this worker's leases end and could not be renewed: the process is ended\n";
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, kWords, sizeof(kWords) - 1);
  const pid_t self = getpid();
  kill(getpgrp() == self ? -self : self, SIGKILL);
  for (;;) pause();
}

void Pulse::Watch() {
  while (!watch_ending_) {
    const int64_t left_ns = deadline_ns_ - BootTime().ns;
    if (left_ns <= 0 && !expired_) {
      if (working_) Fence();
      expired_ = true;
      if (working_ && BootTime().ns >= deadline_ns_) Fence();  // it took one up at that very moment
    }
    const int64_t wait_ms =
        left_ns > 0 ? std::min(left_ns / 1'000'000 + 1, kWatchSliceMs) : kWatchSliceMs;
    pollfd end{end_fd_, POLLIN, 0};
    poll(&end, 1, static_cast<int>(wait_ms));
  }
}

/// The thread's connection, and what was said over it.
struct Pulse::Line {
  Connection connection;
  bool greeted = false;
  uint64_t nonce = 0;
  std::array<Instant, kPingsKept> sent_at{};
  Instant next_beat{0};
};

void Pulse::Run() {
  Result<Connection> opened = Connection::Open(options_.endpoint, options_.keys);
  std::optional<Line> line;
  if (opened.ok()) line.emplace(Line{std::move(opened).value()});
  while (true) {
    Duration beat;
    Duration slice;
    Duration fence_time;
    {
      std::unique_lock hold(mutex_);
      beat = Duration::Millis(std::max<uint32_t>(1, heartbeat_ms_));
      slice = {std::clamp(beat.ns / 4, Duration::Millis(5).ns, Duration::Millis(200).ns)};
      fence_time = {std::min(options_.fence_time.ns, Duration::Millis(lease_ms_).ns / 4)};
      if (!line) wake_.wait_for(hold, std::chrono::nanoseconds(slice.ns));
      if (ending_) break;
    }
    const Instant now = BootTime();
    if (options_.on_fence && working_ && !fence_called_ && !expired_ &&
        now.ns >= deadline_ns_ - fence_time.ns) {
      fence_called_ = true;
      std::thread(options_.on_fence).detach();
    }
    if (!line) continue;
    if (now >= line->next_beat) Speak(now, beat, &*line);
    line->connection.Wait(slice, end_fd_);
    Hear(now, &*line);
  }
  if (line) line->connection.Close(Duration());
}

void Pulse::Speak(Instant now, Duration beat, Line* line) {
  Message message = PingMsg{++line->nonce};
  if (line->greeted) {
    line->sent_at[line->nonce % kPingsKept] = now;
    line->next_beat = now + beat;
  } else {
    message = Hello();
    line->next_beat = now + kGreetInterval;
  }
  static_cast<void>(line->connection.Send(message).ok());  // it is sent again
}

HelloMsg Pulse::Hello() {
  HelloMsg hello;
  hello.role = Role::kPulse;
  hello.token = options_.token;
  hello.machine = MachineName();
  hello.pid = getpid();
  const std::lock_guard hold(mutex_);
  hello.worker = worker_;
  hello.session = session_;
  held_.AppendTo(&hello.held);
  return hello;
}

void Pulse::Hear(Instant now, Line* line) {
  const Result<std::optional<Message>> received = line->connection.Receive(Duration());
  if (!received.ok() || !received->has_value()) return;
  if (const auto* pong = std::get_if<PongMsg>(&**received)) {
    if (pong->nonce + kPingsKept <= line->nonce || pong->nonce > line->nonce) return;
    const Instant sent = line->sent_at[pong->nonce % kPingsKept];
    const std::lock_guard hold(mutex_);
    const int64_t deadline = DeadlineOf(sent).ns;
    if (sent.ns > 0 && deadline > deadline_ns_) {
      deadline_ns_ = deadline;
      fence_called_ = false;
    }
  } else if (const auto* welcome = std::get_if<WelcomeMsg>(&**received)) {
    const std::lock_guard hold(mutex_);
    TakeOver(welcome->lease_ms, welcome->heartbeat_ms);
    line->greeted = true;
    line->next_beat = now;
  } else if (std::holds_alternative<ErrorMsg>(**received)) {
    // A broker that was restarted, or one that does not know this worker yet.
    line->next_beat = now + (line->greeted ? Duration::Millis(20) : kGreetInterval);
    line->greeted = false;
  }
}

}  // namespace bellis
