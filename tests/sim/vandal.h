#pragma once

// An actor that sends anything: messages of any role in any order, with ids that may belong to
// others, and bytes that are no message. It leaves after a while, with a bye unless it is silent.

#include "tests/sim/noise.h"
#include "tests/sim/surroundings.h"

namespace bellis::sim {

class Vandal : public Actor {
 public:
  using GetHints = std::function<Hints()>;
  Vandal(Surroundings* around, bool silent, GetHints hints)
      : Actor(around),
        silent_(silent),
        hints_(std::move(hints)),
        left_(around->random->Pick(1, 30)),
        dealer_(around->network, [](const Message&) {}) {
    Act();
  }

 private:
  void Act() {
    if (left_-- <= 0 || around_->sound) {
      EndLife();
      if (silent_) return dealer_.Crash();
      dealer_.Send(ByeMsg{"vandal"});
      return dealer_.Close();
    }
    if (random().Chance(0.2)) {
      dealer_.SendBytes(Noise(random()));
    } else {
      dealer_.Send(RandomMessage(random(), hints_()));
    }
    Later(random().Between(Duration{0}, Duration::Millis(500)), [this] { Act(); });
  }

  const bool silent_;
  GetHints hints_;
  int64_t left_;
  Dealer dealer_;
};

}  // namespace bellis::sim
