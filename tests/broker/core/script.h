#pragma once

// Drives a BrokerCore by text: messages as JSON, peers by name, time in milliseconds. What goes in
// passes through the real codec, and what comes out is shown as the JSON of its bytes.

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "broker/core/broker_core.h"
#include "common/protocol/codec.h"

namespace bellis::test {

class Script {
 public:
  explicit Script(CoreOptions options = {}) : core_(std::move(options)) {}

  /// What the core did in answer: "peer <- [kind, fields]" and "log level: text" lines.
  std::vector<std::string> Say(const std::string& peer, const std::string& message);
  std::vector<std::string> Lose(const std::string& peer);
  /// All that was to be persisted so far is durable now.
  std::vector<std::string> Commit();
  /// What an earlier broker has left, as the first event.
  std::vector<std::string> Take(TakeOver taken);
  /// What a job that is to run again has done, when it was asked for.
  std::vector<std::string> Load(Loaded loaded);
  /// The process of this worker is found to be gone.
  std::vector<std::string> Ended(uint64_t worker, int64_t pid);
  std::vector<std::string> Stop();

  /// Time passes to `ms`; deadlines on the way are kept, each at its time.
  std::vector<std::string> PassTo(int64_t ms);

  void set_now_ms(int64_t ms) { now_ = Instant{} + Duration::Millis(ms); }
  const Effects& effects() const { return effects_; }
  BrokerCore& core() { return core_; }
  Instant now() const { return now_; }
  JobStatus job(size_t position = 0) const { return core_.Jobs(now_).at(position); }

 private:
  PeerId IdOf(const std::string& name);
  std::vector<std::string> Run(Event event);

  BrokerCore core_;
  Codec codec_;
  Effects effects_;
  Instant now_;
  std::map<std::string, PeerId> ids_;
  std::map<PeerId, std::string> names_;
  uint64_t records_ = 0;
};

}  // namespace bellis::test
