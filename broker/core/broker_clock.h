#pragma once

// The broker's own time: the machine's time minus all the time for which the broker stood still (in
// a debugger, or while the machine slept). While the broker stood still it answered nobody and read
// no messages, so that time must not count against its peers.
//
//     machine   0----1----2----3----4----5----6     the broker stands still from 2 to 5
//     broker    0----1----2                   3

#include <algorithm>
#include <cstdint>

#include "common/check.h"
#include "common/time.h"

namespace bellis {

/// Owns the difference between the two clocks. Invariant: neither now() nor the machine's time goes
/// back.
class BrokerClock {
 public:
  /// A Step may come up to an eighth of `lease` late (at most 1 s) before the delay counts as
  /// standing still. `unix_ms_at_zero`: the time of day at Instant 0.
  BrokerClock(Duration lease, int64_t unix_ms_at_zero)
      : late_{std::min(Duration::Seconds(1).ns, lease.ns / 8)}, unix_ms_at_zero_(unix_ms_at_zero) {}

  /// A Step begins at `told`, by the machine's clock. Returns how long the broker stood still
  /// before this Step, usually 0.
  Duration Begin(Instant told) {
    BELLIS_CHECK(told >= told_, "time went back");
    if (due_ == Instant::Never() || told <= due_ + late_) {
      told_ = told;
      now_ = told - stood_still_;
      return {};
    }
    // The broker's time goes on from the previous Step. Soon after the last stand-still it goes on
    // from when this Step was due, so that time advances even if every Step is late.
    const bool again = now_ < went_on_at_ + late_ && went_on_at_ != Instant{};
    const Duration still = told - (again ? std::max(due_, told_) : told_);
    stood_still_ = stood_still_ + still;
    went_on_at_ = told - stood_still_;
    told_ = told;
    now_ = went_on_at_;
    return still;
  }

  /// The Step ends. The next one is due at `due`, by the broker's time; Never: it has no deadline.
  void ExpectBy(Instant due) { due_ = ToMachine(due); }
  /// The Step ends, and the next one is due at once.
  void ExpectNow() { due_ = told_; }

  Instant now() const { return now_; }
  /// The machine's time at which the broker's is `at`, if the broker does not stand still until
  /// then.
  Instant ToMachine(Instant at) const { return at == Instant::Never() ? at : at + stood_still_; }
  Instant FromMachine(Instant at) const { return at - stood_still_; }

  /// Seconds since 1970 at `at`; 0 before that.
  uint32_t UnixSeconds(Instant at) const {
    const int64_t ms = (at + stood_still_).ns / 1'000'000;
    const int64_t seconds = (unix_ms_at_zero_ + ms) / 1000;
    return static_cast<uint32_t>(std::clamp<int64_t>(seconds, 0, UINT32_MAX));
  }
  Instant FromUnixSeconds(uint32_t seconds) const {
    const Instant at{(int64_t{seconds} * 1000 - unix_ms_at_zero_) * 1'000'000};
    return at - stood_still_;
  }

 private:
  // Fixed.
  const Duration late_;  // the broker stood still if a Step is later than this
  const int64_t unix_ms_at_zero_;
  // Owned.
  Instant now_;
  Instant told_;                    // when the last Step was, by the machine's clock
  Instant due_ = Instant::Never();  // and when the next one is due
  Duration stood_still_;            // in all
  Instant went_on_at_;              // after the last stand-still, by the broker's time
};

}  // namespace bellis
