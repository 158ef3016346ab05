#pragma once

// What every actor of the simulation gets: the clock, random numbers, the network, and whether the
// faults have stopped.

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "tests/sim/clock.h"
#include "tests/sim/network.h"
#include "tests/sim/random.h"
#include "tests/sim/report.h"

namespace bellis::sim {

struct Surroundings {
  Clock* clock = nullptr;
  Random* random = nullptr;
  Network* network = nullptr;
  Trace* trace = nullptr;
  Tally* tally = nullptr;
  std::function<std::vector<LeaseId>()> leases_out;  // of all workers, for actors that lie
  bool sound = false;                                // faults have ceased

  void Fault(const char* kind) const { ++tally->faults[kind]; }
};

/// An actor lives for a while. Actions that it put off are dropped when its life is over.
class Actor {
 public:
  explicit Actor(Surroundings* around) : around_(around), life_(std::make_shared<int>()) {}
  Actor(const Actor&) = delete;
  Actor& operator=(const Actor&) = delete;
  virtual ~Actor() = default;
  bool alive() const { return life_ != nullptr; }

 protected:
  void Later(Duration wait, std::function<void()> action) {
    around_->clock->After(wait, [life = std::weak_ptr<int>(life_), act = std::move(action)] {
      if (!life.expired()) act();
    });
  }
  void EndLife() { life_.reset(); }
  Random& random() { return *around_->random; }
  Instant now() const { return around_->clock->now(); }

  Surroundings* around_;

 private:
  std::shared_ptr<int> life_;
};

}  // namespace bellis::sim
