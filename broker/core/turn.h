#pragma once

// The current Step: its time, its effects, and the timers. Every part of the core borrows the Turn,
// and has an effect on the outside only through it.

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/core/broker_clock.h"
#include "broker/core/core_options.h"
#include "broker/core/effect.h"
#include "broker/core/refusal_log.h"
#include "broker/core/timers.h"

namespace bellis {

/// Owns the clock and the timers; borrows the effects while a Step runs. Invariant: an effect is
/// never taken back.
class Turn {
 public:
  explicit Turn(const CoreOptions& options)
      : clock_(options.lease, options.unix_ms_at_zero), look_interval_{options.lease.ns / 8} {}

  /// Begins a Step: clears `effects`, which is borrowed until End(). Returns how long the broker
  /// stood still before it.
  Duration Begin(Instant told, Effects* effects) {
    effects->Clear();
    out_ = effects;
    ++step_;
    starving_ = leases_run_ = false;
    return clock_.Begin(told);
  }
  /// Leases run, so the next Step must come soon: a stand-still is noticed even if no timer is due.
  void NoteLeasesRun() { leases_run_ = true; }
  /// There is follow-up work, so the next Step must come as soon as no event waits.
  void NoteMoreWork() { out_->more_work = true; }
  /// Ends the Step, and says when the next one is due.
  void End() {
    Instant next = timers_.next();
    if (leases_run_) next = std::min(next, now() + look_interval_);
    out_->next_deadline = clock_.ToMachine(next);
    out_->more_work ? clock_.ExpectNow() : clock_.ExpectBy(next);
  }

  Instant now() const { return clock_.now(); }
  const BrokerClock& clock() const { return clock_; }
  /// The number of this Step, which no other Step has.
  uint64_t step() const { return step_; }
  /// The effects of this Step, to which callers add.
  Effects& out() { return *out_; }

  void Send(PeerId peer, Message message) { out_->sends.push_back({peer, std::move(message)}); }
  /// Sends a message without content, to which the caller adds. Returns its place in the effects.
  size_t SendWork(PeerId peer) { return SendSpare(peer, out_->spare_work); }
  size_t SendCommitted(PeerId peer) { return SendSpare(peer, out_->spare_committed); }
  void Log(LogLevel level, std::string text) { out_->log.push_back({level, std::move(text)}); }
  /// Answers that a message, or request `req`, was refused and changed nothing. A refused request
  /// is logged as info, since its sender gets the answer; a refused message is logged as a warning.
  void Refuse(PeerId peer, ErrorCode code, std::string text, uint64_t req = 0) {
    if (std::optional<std::string> line = refusals_.Line(now(), text)) {
      Log(req != 0 ? LogLevel::kInfo : LogLevel::kWarning, *std::move(line));
    }
    Send(peer, ErrorMsg{code, std::move(text), req});
  }

  void Wake(const Timer& timer) { timers_.Add(timer); }
  bool PopDue(Timer* timer) { return timers_.PopDue(now(), timer); }

  /// The broker is about to stop, and begins no more jobs.
  void BeginStopping() { stopping_ = true; }
  bool stopping() const { return stopping_; }

  /// A worker waits for a block in this Step, and gets none.
  void NoteStarving() { starving_ = true; }
  bool starving() const { return starving_; }

 private:
  BrokerClock clock_;
  const Duration look_interval_;
  Timers timers_;
  RefusalLog refusals_;
  uint64_t step_ = 0;
  bool starving_ = false;
  bool leases_run_ = false;
  bool stopping_ = false;
  Effects* out_ = nullptr;  // borrowed

  template <typename Kind>
  size_t SendSpare(PeerId peer, std::vector<Kind>& spare) {
    Kind message;
    if (!spare.empty()) {
      message = std::move(spare.back());
      spare.pop_back();
    }
    Send(peer, std::move(message));
    return out_->sends.size() - 1;
  }
};

}  // namespace bellis
