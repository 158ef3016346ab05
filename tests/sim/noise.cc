#include "tests/sim/noise.h"

#include "common/protocol/codec.h"

namespace bellis::sim {
namespace {

std::string AnyOf(Random& random, const std::vector<std::string>& names) {
  if (names.empty() || random.Chance(0.2)) return random.Chance(0.5) ? "" : "nobody-7";
  return random.Of(names);
}

HelloMsg RandomHello(Random& random, const Hints& hints) {
  HelloMsg hello;
  // No launcher: LauncherHost itself plays the launchers that start nothing.
  hello.role = random.Chance(0.7) ? Role::kWorker : Role::kClient;
  hello.job = AnyOf(random, hints.jobs);
  hello.task = AnyOf(random, hints.tasks);
  if (random.Chance(0.3)) hello.duty = static_cast<Duty>(random.Pick(0, kDuties - 1));
  if (random.Chance(0.3)) {
    hello.worker = WorkerId(static_cast<uint64_t>(random.Pick(1, 1 + int64_t(hints.workers))));
  }
  hello.runs = random.Chance(0.3);
  return hello;
}

ReleaseMsg RandomRelease(Random& random, const Hints& hints) {
  ReleaseMsg release;
  release.want = static_cast<uint32_t>(random.Pick(0, 3));
  for (int64_t i = random.Pick(0, 3); i > 0; --i) {
    const LeaseId lease = hints.leases.empty() || random.Chance(0.2)
                              ? LeaseId(static_cast<uint64_t>(random.Pick(0, 100'000)))
                              : random.Of(hints.leases);
    if (random.Chance(0.2)) {
      release.runs.push_back({lease, static_cast<uint32_t>(random.Pick(1, kWantMax))});
    } else {
      release.results.push_back({lease, static_cast<BlockOutcome>(random.Pick(0, 2)), ""});
    }
  }
  return release;
}

}  // namespace

std::string Noise(Random& random) {
  std::string bytes;
  if (random.Chance(0.3)) {
    for (int64_t i = random.Pick(0, 40); i > 0; --i) {
      bytes.push_back(static_cast<char>(random.Pick(-128, 127)));
    }
    return bytes;
  }
  Codec codec;
  // A kind that only the broker sends, so that the broker refuses it even when it can read it.
  const auto encoded = codec.Encode(WelcomeMsg{1, "noise", "job", "task", WorkerId(7)});
  bytes.assign(encoded.begin(), encoded.end());
  if (random.Chance(0.5)) {
    bytes.resize(static_cast<size_t>(random.Pick(0, static_cast<int64_t>(bytes.size()) - 1)));
  } else {
    for (int64_t i = random.Pick(1, 4); i > 0; --i) {
      bytes[static_cast<size_t>(random.Pick(0, static_cast<int64_t>(bytes.size()) - 1))] =
          static_cast<char>(random.Pick(-128, 127));
    }
  }
  return bytes;
}

Message RandomMessage(Random& random, const Hints& hints) {
  const WorkerId worker(static_cast<uint64_t>(random.Pick(0, 1 + int64_t(hints.workers))));
  const auto req = static_cast<uint64_t>(random.Pick(1, 1'000'000));
  switch (random.Pick(0, 13)) {
    case 0:
    case 1: return RandomHello(random, hints);
    case 2: return AcquireMsg{static_cast<uint32_t>(random.Pick(0, 4))};
    case 3:
    case 4: return RandomRelease(random, hints);
    case 5: return SubmitMsg{req, {}};  // a job without tasks
    case 6: return StatusMsg{req, AnyOf(random, hints.jobs)};
    case 7: return CancelMsg{req, "nobody-7", ""};
    case 8: return WatchMsg{req, AnyOf(random, hints.jobs), 20};
    case 9: return LaunchedMsg{worker, 1};
    case 10: return ExitedMsg{worker, 0, 0, "", ""};
    case 11: return WorkMsg{{{LeaseId(1), 0, 0, Roi({0}, {1}), Roi({0}, {1}), 1}}};
    case 12: return PingMsg{req};
    default: return ByeMsg{"vandal"};
  }
}

}  // namespace bellis::sim
