#pragma once

// Does for the core, in virtual time, what broker/server.cc does in the real broker: bytes in,
// Step, bytes out, peers by routing id, deadlines. After every Step the model checks the effects.

#include <deque>
#include <map>
#include <string>
#include <unordered_map>

#include "broker/core/broker_core.h"
#include "common/protocol/codec.h"
#include "tests/sim/model.h"
#include "tests/sim/network.h"

namespace bellis::sim {

class Shell {
 public:
  Shell(CoreOptions options, Clock* clock, Random* random, Network* network, Trace* trace)
      : core_(options),
        model_(options),
        clock_(clock),
        random_(random),
        network_(network),
        trace_(trace) {
    network->to_broker = [this](RoutingId from, const std::string& bytes) { OnFrame(from, bytes); };
  }

  /// The broker stands still until then; messages that arrive meanwhile wait.
  void Stall(Instant until) { stalled_until_ = until; }
  /// Makes the broker's timers late, as on a busy machine.
  void set_sloppy(bool sloppy) { sloppy_ = sloppy; }
  void ShutDown(const std::string& reason);

  const Model& model() const { return model_; }
  const Effects& effects() const { return effects_; }
  uint64_t steps() const { return steps_; }
  std::vector<JobStatus> Jobs() const { return core_.Jobs(clock_->now()); }

 private:
  struct Frame {
    RoutingId from;
    std::string bytes;
  };
  // The most Steps with TimePassed at one instant, without and with follow-up work. A core that
  // asks for more is spinning.
  static constexpr int kIdleStepsMax = 3;
  static constexpr int kWorkStepsMax = 100'000;
  static constexpr uint64_t kCheckEvery = 16;  // Steps: the counts of the core are counted again

  void OnFrame(RoutingId from, const std::string& bytes);
  void Take();
  void Handle(const Frame& frame);
  void Refuse(RoutingId to, ErrorCode code, const std::string& text, uint64_t req);
  void Step(const Event& event);
  void StepOnce(const Event& event);
  void Deliver(const Send& send);
  void SetTimer();
  void OnTimer();

  // Owned.
  BrokerCore core_;
  Codec codec_;
  Model model_;
  Effects effects_;
  std::deque<Frame> inbox_;
  std::map<RoutingId, PeerId> peers_;
  std::unordered_map<PeerId, RoutingId> routing_ids_;
  std::deque<PeerGone> unreachable_;
  uint64_t last_peer_ = 0;
  uint64_t steps_ = 0;
  uint64_t timer_ = 0;  // the timer that counts; earlier timers are stale
  Instant stalled_until_;
  bool sloppy_ = true;
  Instant idle_at_;
  int idle_steps_ = 0;
  // Borrowed.
  Clock* clock_;
  Random* random_;
  Network* network_;
  Trace* trace_;
};

}  // namespace bellis::sim
