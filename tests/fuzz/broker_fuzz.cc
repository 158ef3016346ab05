// libFuzzer target: feeds the core a history of several peers, with messages through the real
// codec, the disk's answers, lost connections and passing time. Nothing may crash, and a peer must
// be able to read every answer.
//
// An input is a byte whose lowest bit says whether the broker has a disk, then steps. A step is a
// byte (the event times 16, plus the peer). For a message, the step also has the time that passes
// before it, in 10 ms units (a byte), its length (two bytes, the lower first) and its bytes.
// make_broker_corpus.py makes such inputs from the transcripts of the core's tests.

#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <utility>

#include "broker/core/broker_core.h"
#include "common/check.h"
#include "common/protocol/codec.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace bellis {
namespace {

enum Step { kMessage, kGone, kTime, kCommitted, kTrouble, kProcessGone, kLoaded, kShutDown };
constexpr int kWorkPerStep = 200;

class Broker {
 public:
  explicit Broker(bool durable) : core_(OptionsOf(durable)), durable_(durable) {}

  void Do(std::span<const uint8_t> bytes) {
    while (!bytes.empty()) {
      const auto step = static_cast<Step>(bytes[0] / 16 % 8);
      const PeerId peer(uint64_t{1} + bytes[0] % 16);
      bytes = bytes.subspan(1);
      if (step != kMessage) {
        Do(step, peer);
        continue;
      }
      if (bytes.size() < 3) return;
      now_ = now_ + Duration::Millis(10 * bytes[0]);
      const size_t length = std::min<size_t>(bytes[1] + 256u * bytes[2], bytes.size() - 3);
      Say(peer, {reinterpret_cast<const char*>(bytes.data()) + 3, length});
      bytes = bytes.subspan(3 + length);
    }
  }

 private:
  static CoreOptions OptionsOf(bool durable) {
    CoreOptions options;
    options.durable = durable;
    options.jobs_running_max = 4;
    options.resources = {{"gpu", 2}};
    return options;
  }

  void Do(Step step, PeerId peer) {
    switch (step) {
      case kMessage: return;
      case kGone: return Run(PeerGone{peer, {}});
      case kTime: {
        const Instant next = effects_.next_deadline;
        if (next > now_ && next < Instant::Never()) now_ = next;
        return Run(TimePassed{});
      }
      case kCommitted: return durable_ ? Run(Committed{records_}) : void();
      case kTrouble:
        trouble_ = !trouble_;
        return durable_ ? Run(StoreTrouble{trouble_ ? "no room" : ""}) : void();
      case kProcessGone: return Run(ProcessGone{WorkerId(peer.value), 0});
      case kLoaded: {
        if (loads_.empty()) return;
        const JobNumber job = *loads_.begin();
        loads_.erase(loads_.begin());
        return Run(Loaded{job, std::nullopt});
      }
      case kShutDown: return Run(ShutDown{"stop"});
    }
  }

  void Say(PeerId peer, std::span<const char> bytes) {
    DecodeResult decoded = codec_.Decode(bytes);
    if (!decoded.ok()) return;
    // Do as the shell does: it refuses messages before a hello itself.
    if (std::holds_alternative<HelloMsg>(decoded.message())) {
      known_.insert(peer);
    } else if (known_.count(peer) == 0) {
      return;
    }
    Run(Received{peer, std::move(decoded.message())});
  }

  void Run(Event event) {
    core_.Step(now_, std::move(event), &effects_);
    Check();
    for (int work = 0; effects_.more_work && work < kWorkPerStep; ++work) {
      core_.Step(now_, TimePassed{}, &effects_);
      Check();
    }
  }

  void Check() {
    records_ += effects_.records.size();
    BELLIS_CHECK(durable_ || effects_.records.empty(), "records, and nobody keeps them");
    for (const JobNumber job : effects_.load) loads_.insert(job);
    for (const PeerId peer : effects_.forget) known_.erase(peer);
    for (const Send& send : effects_.sends) {
      const auto bytes = codec_.Encode(send.message);
      if (bytes.size() > kMessageBytesMax) continue;
      const std::string copy(bytes.begin(), bytes.end());
      const DecodeResult read = codec_.Decode(copy);
      BELLIS_CHECK(read.ok(), "an answer that no peer can read");
    }
  }

  BrokerCore core_;
  const bool durable_;
  Codec codec_;
  Effects effects_;
  Instant now_;
  uint64_t records_ = 0;
  bool trouble_ = false;
  std::set<PeerId> known_;
  std::set<JobNumber> loads_;
};

}  // namespace
}  // namespace bellis

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  bellis::Broker broker(data[0] % 2 == 1);
  broker.Do({data + 1, size - 1});
  return 0;
}
