#pragma once

// Drives a BrokerCore by text: messages as JSON, peers by name, time in milliseconds. What goes in
// passes through the real codec, and what comes out is shown as the JSON of its bytes.

#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "broker/core/broker_core.h"
#include "common/protocol/codec.h"

namespace bellis::test {

using Json = nlohmann::ordered_json;

class Script {
 public:
  explicit Script(CoreOptions options = {}) : core_(options) {}

  /// What the core did in answer: "peer <- [kind, fields]" and "log level: text" lines.
  std::vector<std::string> Say(const std::string& peer, const std::string& message) {
    const auto packed = Json::to_msgpack(Json::parse(message));
    const auto* bytes = reinterpret_cast<const char*>(packed.data());
    DecodeResult decoded = codec_.Decode({bytes, packed.size()});
    if (!decoded.ok()) return {"refused by the codec: " + decoded.error().message};
    return Run(Received{IdOf(peer), std::move(decoded.message())});
  }

  std::vector<std::string> Lose(const std::string& peer) { return Run(PeerGone{IdOf(peer), {}}); }
  /// All that was to be persisted so far is durable now.
  std::vector<std::string> Commit() { return Run(Committed{records_}); }
  /// What an earlier broker has left, as the first event.
  std::vector<std::string> Take(TakeOver taken) { return Run(std::move(taken)); }
  /// What a job that is to run again has done, when it was asked for.
  std::vector<std::string> Load(Loaded loaded) { return Run(std::move(loaded)); }
  /// This worker's process is found to be gone.
  std::vector<std::string> Ended(uint64_t worker, int64_t pid) {
    return Run(ProcessGone{WorkerId(worker), pid});
  }
  std::vector<std::string> Stop() { return Run(ShutDown{"the broker was stopped"}); }

  /// Time passes to `ms`; deadlines on the way are kept, each at its time.
  std::vector<std::string> PassTo(int64_t ms) {
    std::vector<std::string> lines;
    const Instant target = Instant{} + Duration::Millis(ms);
    while (effects_.more_work || effects_.next_deadline <= target) {
      if (!effects_.more_work && effects_.next_deadline > now_) now_ = effects_.next_deadline;
      for (auto& line : Run(TimePassed{})) lines.push_back(std::move(line));
    }
    now_ = target;
    return lines;
  }

  void set_now_ms(int64_t ms) { now_ = Instant{} + Duration::Millis(ms); }
  const Effects& effects() const { return effects_; }
  BrokerCore& core() { return core_; }
  Instant now() const { return now_; }
  JobStatus job(size_t position = 0) const { return core_.Jobs(now_).at(position); }

 private:
  PeerId IdOf(const std::string& name) {
    const auto [it, inserted] = ids_.try_emplace(name, PeerId(ids_.size() + 1));
    if (inserted) names_[it->second] = name;
    return it->second;
  }

  std::vector<std::string> Run(Event event) {
    core_.Step(now_, std::move(event), &effects_);
    records_ += effects_.records.size();
    std::vector<std::string> lines;
    for (const Send& send : effects_.sends) {
      const auto bytes = codec_.Encode(send.message);
      lines.push_back(names_.at(send.to) + " <- " +
                      Json::from_msgpack(bytes.begin(), bytes.end()).dump());
    }
    static constexpr const char* kLevels[] = {"debug", "info", "warning", "error"};
    for (const LogLine& line : effects_.log) {
      if (line.level < LogLevel::kWarning) continue;
      std::string text = line.text;
      for (size_t at = 0; (at = text.find('\n', at)) != std::string::npos;) text[at] = '|';
      lines.push_back(std::string("log ") + kLevels[static_cast<int>(line.level)] + ": " + text);
    }
    for (const PeerId peer : effects_.forget) lines.push_back("forget " + names_.at(peer));
    if (effects_.finished) lines.push_back("finished");
    return lines;
  }

  BrokerCore core_;
  Codec codec_;
  Effects effects_;
  Instant now_;
  std::map<std::string, PeerId> ids_;
  std::map<PeerId, std::string> names_;
  uint64_t records_ = 0;
};

}  // namespace bellis::test
