#include "tests/sim/shell.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace bellis::sim {

void Shell::OnFrame(RoutingId from, const std::string& bytes) {
  inbox_.push_back({from, bytes});
  if (clock_->now() >= stalled_until_) return Take();
  clock_->At(stalled_until_, [this] { Take(); });
}

void Shell::Take() {
  if (clock_->now() < stalled_until_) return;
  while (!inbox_.empty()) {
    const Frame frame = std::move(inbox_.front());
    inbox_.pop_front();
    Handle(frame);
  }
}

void Shell::Handle(const Frame& frame) {
  DecodeResult decoded = codec_.Decode({frame.bytes.data(), frame.bytes.size()});
  if (!decoded.ok()) {
    const DecodeError& error = decoded.error();
    return Refuse(frame.from, error.code, error.message, error.req);
  }
  auto peer = peers_.find(frame.from);
  if (const auto* hello = std::get_if<HelloMsg>(&decoded.message())) {
    if (hello->version != kProtocolVersion) {
      return Refuse(frame.from, ErrorCode::kVersion, "another version", 0);
    }
    if (peer == peers_.end()) {
      peer = peers_.emplace(frame.from, PeerId(++last_peer_)).first;
      routing_ids_.emplace(peer->second, frame.from);
    }
  } else if (peer == peers_.end()) {
    return Refuse(frame.from, ErrorCode::kHelloFirst, "say hello before anything else", 0);
  }
  Step(Received{peer->second, std::move(decoded.message())});
}

void Shell::Refuse(RoutingId to, ErrorCode code, const std::string& text, uint64_t req) {
  trace_->Add(clock_->now(), fmt::format("refused, routing id {}: {}", to, text));
  const auto bytes = codec_.Encode(ErrorMsg{code, text, req});
  network_->SendToPeer(to, std::string(bytes.begin(), bytes.end()));
}

void Shell::Step(const Event& event) {
  StepOnce(event);
  while (!unreachable_.empty()) {
    const PeerGone gone = std::move(unreachable_.front());
    unreachable_.pop_front();
    StepOnce(gone);
  }
  SetTimer();
}

void Shell::StepOnce(const Event& event) {
  const Instant now = clock_->now();
  if (const auto* received = std::get_if<Received>(&event)) {
    trace_->Add(now,
                fmt::format("peer {} -> {}", received->peer.value, Describe(received->message)));
  } else if (const auto* gone = std::get_if<PeerGone>(&event)) {
    trace_->Add(now, fmt::format("peer {} is gone, {} leases undelivered", gone->peer.value,
                                 gone->undelivered.size()));
  } else {
    trace_->Add(now, std::holds_alternative<TimePassed>(event) ? "time passed" : "shut down");
  }
  ++steps_;
  core_.Step(now, Event(event), &effects_);
  if (steps_ % kCheckEvery == 0) core_.CheckInvariants();
  for (const Send& send : effects_.sends) {
    trace_->Add(now, fmt::format("     peer {} <- {}", send.to.value, Describe(send.message)));
  }
  if (trace_->verbose()) {
    for (const LogLine& line : effects_.log) trace_->Add(now, "     log: " + line.text);
  }
  model_.Observe(core_.now(), event, effects_, core_.Jobs(now));
  // Allow each task a page and a chunk of states, and each block of the frontier a queue entry or a
  // watch.
  size_t bytes_max = 0;
  for (const JobStatus& job : core_.Jobs(now)) {
    if (job.state != JobState::kRunning) continue;
    for (const TaskStatus& task : job.tasks) {
      bytes_max += 16'384 + 160 * (task.counts.blocks - task.counts.masked);
    }
  }
  Require(core_.schedule_bytes() <= bytes_max, "memory is bounded by the frontier",
          [&] { return fmt::format("{} bytes, at most {}", core_.schedule_bytes(), bytes_max); });
  // Enough for work, progress and launches for all peers; a Step that sends more has gone wild.
  Require(effects_.sends.size() <= 5000, "the number of messages of one Step is bounded",
          [&] { return fmt::format("{} messages", effects_.sends.size()); });
  for (const Send& send : effects_.sends) Deliver(send);
  for (const PeerId peer : effects_.forget) {
    const auto at = routing_ids_.find(peer);
    if (at == routing_ids_.end()) continue;
    peers_.erase(at->second);
    routing_ids_.erase(at);
  }
}

void Shell::Deliver(const Send& send) {
  const auto to = routing_ids_.find(send.to);
  if (to == routing_ids_.end()) return;
  const auto bytes = codec_.Encode(send.message);
  Require(bytes.size() <= kMessageBytesMax, "messages of the broker are within the limit",
          [&] { return Describe(send.message); });
  const auto sent = network_->SendToPeer(to->second, std::string(bytes.begin(), bytes.end()));
  if (sent == Network::Sent::kYes) return;
  PeerGone gone{send.to, {}};
  if (const auto* work = std::get_if<WorkMsg>(&send.message)) {
    gone.undelivered = LeasesOf(*work);
  }
  unreachable_.push_back(std::move(gone));
}

void Shell::SetTimer() {
  const uint64_t timer = ++timer_;
  Instant due = effects_.next_deadline;
  if (effects_.more_work) {
    due = clock_->now() + random_->Between(Duration{0}, Duration::Millis(1));
  } else if (due == Instant::Never()) {
    return;
  } else if (sloppy_ && random_->Chance(0.5)) {
    due = std::max(due, clock_->now()) + random_->Between(Duration{0}, Duration::Millis(2));
  }
  clock_->At(std::max(due, stalled_until_), [this, timer] {
    if (timer == timer_) OnTimer();
  });
}

void Shell::OnTimer() {
  if (clock_->now() < stalled_until_) return SetTimer();
  if (std::exchange(idle_at_, clock_->now()) != clock_->now()) idle_steps_ = 0;
  const int limit = effects_.more_work ? kWorkStepsMax : kIdleStepsMax;
  Require(++idle_steps_ <= limit, "deadlines do not make the broker spin",
          [&] { return fmt::format("{} steps at one instant", idle_steps_); });
  Step(TimePassed{});
}

void Shell::ShutDown(const std::string& reason) { Step(bellis::ShutDown{reason}); }

}  // namespace bellis::sim
