#pragma once

// The launcher's side of bellis/1: greets the broker, sends reports, and notices when the broker
// does not know the launcher (any more), after a cut connection or a restart of the broker.
//
//     kGreeting --welcome--> kKnown --hello_first--> kGreeting
//         \--any other error--> kRefused
//
// Messages that are on their way when a connection is cut are lost silently. So a report is kept
// until a `pong` shows that the broker has read it; until then it is repeated after each new hello.
// So the broker may get a report twice. After a new hello the launcher also repeats `launched` for
// every running worker, so that a broker that gave a worker up meanwhile can have it stopped. Pure:
// no socket, no clock.

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

  /// `hello` is sent first, and again whenever it is needed.
  LauncherSession(HelloMsg hello, Instant now);

  /// Adds a `launched` or `exited`; reports reach the broker in this order.
  void Report(Message report);

  /// Pings at that interval from now on, instead of less and less often while nobody answers.
  void PingEvery(Duration interval, Instant now);

  void OnWelcome();
  /// Must be called when messages may have been lost without notice, because the socket was
  /// reopened.
  void OnReopened();
  void OnPong(const PongMsg& pong);
  /// An answer to hello other than hello_first makes the state kRefused, for good.
  void OnError(const ErrorMsg& error, Instant now);

  /// The messages to send now, in order.
  std::vector<Message> TakeOutgoing(Instant now);
  /// When TakeOutgoing will have a message again if nothing else happens.
  Instant next_deadline() const;

  State state() const { return state_; }
  /// Whether the broker may not have read yet that this worker has exited. Then it may still ask to
  /// launch or stop the worker, which must be ignored. Cost: linear in the unconfirmed reports.
  bool ExitIsPending(WorkerId worker) const;
  /// The number of reports that the broker may not have read yet.
  size_t unconfirmed() const { return reports_.size(); }
  bool all_confirmed() const { return state_ == State::kKnown && reports_.empty(); }

 private:
  struct PendingReport {
    Message message;
    uint64_t nonce = 0;  // of the first ping sent after the report
  };

  const HelloMsg hello_;

  State state_ = State::kGreeting;
  bool hello_due_ = true;
  Instant hello_said_;
  std::deque<PendingReport> reports_;
  std::map<WorkerId, LaunchedMsg> running_;  // workers whose `launched` is confirmed, but not their
                                             // exit
  bool repeat_running_ = false;
  size_t sent_ = 0;  // how many of reports_, from the first, were sent since the last welcome
  uint64_t last_nonce_ = 0;
  // With nothing to report, a ping finds out whether the broker still knows this launcher. While
  // nobody answers, pings get rarer: libzmq queues them, and one is enough once the broker is back.
  Duration ping_interval_min_ = Duration::Millis(5'000);
  Duration ping_interval_max_ = Duration::Millis(60'000);
  Instant ping_at_;
  Duration ping_interval_;
};

}  // namespace bellis
