#include "tests/broker/core/script.h"

#include "tests/broker/core/json.h"

namespace bellis::test {

std::vector<std::string> Script::Say(const std::string& peer, const std::string& message) {
  const auto packed = Json::to_msgpack(Json::parse(message));
  const auto* bytes = reinterpret_cast<const char*>(packed.data());
  DecodeResult decoded = codec_.Decode({bytes, packed.size()});
  if (!decoded.ok()) return {"refused by the codec: " + decoded.error().message};
  return Run(Received{IdOf(peer), std::move(decoded.message())});
}

std::vector<std::string> Script::Lose(const std::string& peer) {
  return Run(PeerGone{IdOf(peer), {}});
}

std::vector<std::string> Script::Commit() { return Run(Committed{records_}); }

std::vector<std::string> Script::Take(TakeOver taken) { return Run(std::move(taken)); }

std::vector<std::string> Script::Load(Loaded loaded) { return Run(std::move(loaded)); }

std::vector<std::string> Script::Ended(uint64_t worker, int64_t pid) {
  return Run(ProcessGone{WorkerId(worker), pid});
}

std::vector<std::string> Script::Stop() { return Run(ShutDown{"the broker was stopped"}); }

std::vector<std::string> Script::PassTo(int64_t ms) {
  std::vector<std::string> lines;
  const Instant target = Instant{} + Duration::Millis(ms);
  while (effects_.more_work || effects_.next_deadline <= target) {
    if (!effects_.more_work && effects_.next_deadline > now_) now_ = effects_.next_deadline;
    for (auto& line : Run(TimePassed{})) lines.push_back(std::move(line));
  }
  now_ = target;
  return lines;
}

PeerId Script::IdOf(const std::string& name) {
  const auto [it, inserted] = ids_.try_emplace(name, PeerId(ids_.size() + 1));
  if (inserted) names_[it->second] = name;
  return it->second;
}

std::vector<std::string> Script::Run(Event event) {
  core_.Step(now_, std::move(event), &effects_);
  // Counting again at every Step would take most of the time of long scripts.
  if (++steps_ < 100 || steps_ % 16 == 0) core_.CheckInvariants();
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

}  // namespace bellis::test
