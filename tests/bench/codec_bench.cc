// Nanoseconds a message, for the messages that every block needs. Run it on a quiet machine.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "common/protocol/codec.h"

namespace bellis {
namespace {

constexpr int kRounds = 7;
constexpr int kMessagesARound = 200'000;

/// Nanoseconds a call in the fastest round: other processes disturbed the slower rounds.
template <typename Fn>
double BestNanoseconds(Fn fn) {
  double best = 1e9;
  for (int round = 0; round < kRounds; ++round) {
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < kMessagesARound; ++i) fn();
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
    best = std::min(best, took.count() / kMessagesARound);
  }
  return best;
}

void Measure(const char* name, const Message& message) {
  Codec codec;
  const auto encoded = codec.Encode(message);
  const std::vector<char> bytes(encoded.begin(), encoded.end());
  size_t sum = 0;
  const double encode_ns = BestNanoseconds([&] { sum += codec.Encode(message).size(); });
  const double decode_ns = BestNanoseconds([&] { sum += codec.Decode(bytes).ok() ? 1 : 0; });
  std::printf("%-22s %5zu bytes   encode %6.0f ns   decode %6.0f ns\n", name, bytes.size(),
              encode_ns, decode_ns);
  if (sum == 0) std::abort();
}

LeasedBlock ABlock(uint64_t index) {
  const auto x = static_cast<int64_t>(index % 1000) * 512;
  LeasedBlock block;
  block.lease = LeaseId(1'000'000 + index);
  block.index = index;
  block.id = static_cast<int64_t>(index) * 17;
  block.read = Roi({x - 64, 123'392, 1984}, {640, 640, 640});
  block.write = Roi({x, 123'456, 2048}, {512, 512, 512});
  return block;
}

void MeasureAll() {
  Measure("acquire", AcquireMsg{.want = 1});
  ReleaseMsg release{.results = {{.lease = LeaseId(1'234'567), .error = ""}}, .want = 1};
  Measure("release, 1 result", release);
  release.results[0].outcome = BlockOutcome::kFailed;
  release.results[0].error = std::string(2000, 'x');
  Measure("release, 2 KB error", release);
  WorkMsg work{.blocks = {ABlock(123'456)}};
  Measure("work, 1 block", work);
  for (uint64_t i = 1; i < 64; ++i) work.blocks.push_back(ABlock(i));
  Measure("work, 64 blocks", work);
  Measure("ping", PingMsg{.nonce = 5});
}

}  // namespace
}  // namespace bellis

int main() { bellis::MeasureAll(); }
