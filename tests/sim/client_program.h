#pragma once

// A program that submits a job, watches it to its end, asks for its status now and then, and may
// cancel it. It sends a request without an answer again when the connection turns out to be a new
// one.

#include <map>
#include <string>

#include "tests/sim/surroundings.h"

namespace bellis::sim {

class ClientProgram : public Actor {
 public:
  ClientProgram(Surroundings* around, JobSpec spec, bool cancels);

  Dealer& dealer() { return dealer_; }
  /// The program saw its job end, or the broker refused the job.
  bool done() const { return done_; }

 private:
  void SayHello();
  void OnMessage(const Message& message);
  void Request(uint64_t req, Message message);
  void OnAnswer(uint64_t req);
  void Watch();
  void Poll();

  const JobSpec spec_;
  const bool cancels_;
  Dealer dealer_;
  std::string job_;
  std::map<uint64_t, Message> unanswered_;
  uint64_t last_req_ = 1;  // 1 is the submit
  uint64_t watch_req_ = 0;
  bool welcome_ = false;  // since the last hello
  int hellos_ = 0;
  bool done_ = false;
  Instant hello_said_;
};

}  // namespace bellis::sim
