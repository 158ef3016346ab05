#pragma once

// Drives a BrokerCore by text: messages as JSON, peers by name, time in milliseconds. Messages to
// the core pass through the real codec; messages from it are shown as the JSON of their bytes.

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

  /// The peer sends a message. Returns the core's effects: "peer <- [kind, fields]" and "log level:
  /// text" lines.
  std::vector<std::string> Say(const std::string& peer, const std::string& message);
  std::vector<std::string> Lose(const std::string& peer);
  /// All records so far are durable now.
  std::vector<std::string> Commit();
  /// The state that an earlier broker has left, as the first event.
  std::vector<std::string> Take(TakeOver taken);
  /// The progress of a job that runs again, after the core has asked for it.
  std::vector<std::string> Load(Loaded loaded);
  /// The process of this worker is found to have ended.
  std::vector<std::string> Ended(uint64_t worker, int64_t pid);
  std::vector<std::string> Stop();

  /// Time passes to `ms`. The core gets a Step at each deadline on the way.
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
  uint64_t steps_ = 0;
};

}  // namespace bellis::test
