#pragma once

// The network between the broker and its peers, as ZeroMQ presents it. A peer has a Dealer, which
// connects and reconnects by itself, without notice. Every connection has a routing id of its own
// on the broker's side. Messages of one connection keep their order; messages of two connections
// need not. Cutting a connection loses the messages on their way; the broker finds out when it next
// sends there.
//
//     Dealer --- Link (routing id 7, cut) ---------------- X
//            \-- Link (routing id 9, up)  --- bytes -----> Network::to_broker
//
// Every message travels as bytes: the codec writes and reads it at both ends.

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/protocol/codec.h"
#include "tests/sim/clock.h"
#include "tests/sim/random.h"
#include "tests/sim/report.h"

namespace bellis::sim {

using RoutingId = uint64_t;

struct Link {
  RoutingId id = 0;
  bool up = true;
  uint64_t sent = 0;       // messages to the broker
  uint64_t arrived = 0;    // how many of these have arrived
  uint64_t kept = 0;       // after a cut, messages arrive up to this number; later ones are lost
  Instant last_to_broker;  // when the last message that was sent arrives
  Instant last_to_peer;
  Instant noticed = Instant::Never();  // from then on the broker cannot route to this link
};

class Network;

/// A peer's end of its connections. The peer owns it. Messages to a closed Dealer are dropped.
class Dealer {
 public:
  using Handler = std::function<void(const Message&)>;
  Dealer(Network* network, Handler handler);
  ~Dealer();
  Dealer(const Dealer&) = delete;
  Dealer& operator=(const Dealer&) = delete;

  void Send(const Message& message);
  void SendBytes(std::string bytes);
  /// Closes in good order: everything that was sent arrives.
  void Close();
  /// Closes as when the process or its machine dies: some sent messages are lost. `seen`: the
  /// broker's socket notices at once, as it does when the machine lives on.
  void Crash(bool seen = false);
  /// The connection breaks, and the Dealer reconnects a moment later.
  void Cut();
  /// No message moves before `until`. With `cut`, the Dealer has a new connection afterwards.
  void Isolate(Instant until, bool cut);
  bool open() const { return state_->open; }

 private:
  friend class Network;
  struct State {
    Network* network = nullptr;
    Handler handler;
    bool open = true;
    std::shared_ptr<Link> link;       // none while the Dealer reconnects
    std::deque<std::string> waiting;  // messages sent meanwhile
    Instant isolated_until;
    Duration latency;
  };
  void Break(bool orderly, bool seen = false);
  void Reconnect(Duration wait);

  std::shared_ptr<State> state_;
};

class Network {
 public:
  Network(Clock* clock, Random* random, Trace* trace)
      : clock_(clock), random_(random), trace_(trace) {}

  std::function<void(RoutingId, const std::string&)> to_broker;

  /// Connections that the broker's system has closed since the last call.
  std::vector<RoutingId> TakeClosed();

  enum class Sent { kYes, kUnroutable };
  Sent SendToPeer(RoutingId to, std::string bytes);

  /// Makes messages slower and their latency less even from now on.
  void set_rough(bool rough) { rough_ = rough; }
  Clock& clock() { return *clock_; }
  uint64_t messages() const { return messages_; }

 private:
  friend class Dealer;
  void Connect(const std::shared_ptr<Dealer::State>& dealer);
  void ToBroker(const std::shared_ptr<Dealer::State>& dealer, std::string bytes);
  Instant Arrival(const Dealer::State& dealer, Instant after);

  Clock* clock_;
  Random* random_;
  Trace* trace_;
  Codec codec_;
  bool rough_ = true;
  RoutingId last_id_ = 0;
  uint64_t messages_ = 0;
  // The links that the broker can send to. A link is taken out when it is noticed to be down.
  std::map<RoutingId, std::pair<std::shared_ptr<Link>, std::weak_ptr<Dealer::State>>> links_;
};

}  // namespace bellis::sim
