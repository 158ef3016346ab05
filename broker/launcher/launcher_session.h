#pragma once

// The launcher's side of bellis/1: greets the broker, hands in reports, and notices when the broker
// does not know it (any more), be it after a cut connection or a restart of the broker.
//
//     kGreeting --welcome--> kKnown --hello_first--> kGreeting
//         \--any other error--> kRefused
//
// Messages that are on their way when a connection is cut are lost without notice, so a report is
// kept until a `pong` shows that the broker has read past it; until then a new greeting repeats it.
// The broker may hence hear a report twice. A new greeting also repeats `launched` for every worker
// that runs, so that a broker which gave one up meanwhile can have it stopped. Pure: no socket, no
// clock.

#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include "common/protocol/messages.h"
#include "common/time.h"

namespace bellis {

class LauncherSession {
 public:
  enum class State { kGreeting, kKnown, kRefused };

  /// `hello` is said first, and again whenever it is needed.
  LauncherSession(HelloMsg hello, Instant now);

  /// Adds a `launched` or `exited`; reports reach the broker in this order.
  void Report(Message report);

  /// Pings at that interval from now on, instead of ever more rarely while nobody answers.
  void PingEvery(Duration interval, Instant now);

  void OnWelcome();
  /// To be called when what was sent may be lost, and nobody has said so.
  void OnReopened();
  void OnPong(const PongMsg& pong);
  /// An answer to hello other than hello_first makes the state kRefused, for good.
  void OnError(const ErrorMsg& error, Instant now);

  /// What to send now, in order.
  std::vector<Message> TakeOutgoing(Instant now);
  /// When TakeOutgoing has something again if nothing else happens.
  Instant next_deadline() const;

  State state() const { return state_; }
  /// Whether the broker may not have read yet that this worker has exited. Then it may ask for its
  /// launch or its end again, in vain. Cost: linear in the reports that are not confirmed.
  bool ExitIsPending(WorkerId worker) const;
  /// Reports that the broker may not have read yet.
  size_t unconfirmed() const { return reports_.size(); }
  bool all_confirmed() const { return state_ == State::kKnown && reports_.empty(); }

 private:
  struct PendingReport {
    Message message;
    uint64_t nonce = 0;  // of the first ping after it was sent
  };

  const HelloMsg hello_;

  State state_ = State::kGreeting;
  bool hello_due_ = true;
  Instant hello_said_;
  std::deque<PendingReport> reports_;
  std::map<WorkerId, LaunchedMsg> running_;  // whose `launched` is confirmed, and whose exit is not
  bool repeat_running_ = false;
  size_t sent_ = 0;  // how many of reports_, from the first, were sent since the last welcome
  uint64_t last_nonce_ = 0;
  // With nothing to report, a ping finds out whether the broker still knows us. While nobody
  // answers they get rarer: libzmq queues them, and one is enough to be noticed when it is back.
  Duration ping_interval_min_ = Duration::Millis(5'000);
  Duration ping_interval_max_ = Duration::Millis(60'000);
  Instant ping_at_;
  Duration ping_interval_;
};

}  // namespace bellis
