// simulate: the real scheduler in virtual time, from seeds. See docs/SIMULATOR.md.

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/restart_world.h"
#include "tests/sim/world.h"

namespace bellis::sim {
namespace {

constexpr char kUsage[] =
    "simulate --seed N [--trace]\n"
    "simulate --seeds N [--from S] [--jobs J] [--max-seconds T]\n"
    "with --restarts: a broker with a state directory, which is killed again and again\n";

struct Options {
  uint64_t seed = 0;
  uint64_t seeds = 0;
  uint64_t from = 1;
  uint64_t jobs = 1;
  double max_seconds = 0;
  bool trace = false;
  bool restarts = false;
};

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::function<std::string(const std::string& violation)> report;

/// A failed CHECK of the core ends the process: first, print where the run was.
void OnAbort(int) {
  if (report) fmt::print("{}\n", report("a CHECK of the core failed (see above)"));
  std::fflush(stdout);
  _exit(2);
}

/// Runs one world. False after a violation, which has then been reported.
template <typename AWorld>
bool RunWorld(AWorld world, Tally* sum) {
  report = [&world](const std::string& violation) { return world->Report(violation); };
  bool good = true;
  try {
    world->Run();
    sum->Add(world->tally());
  } catch (const Violation& violation) {
    fmt::print("{}\n", world->Report(violation.what()));
    good = false;
  }
  report = nullptr;
  return good;
}

bool RunSeed(uint64_t seed, const Options& options, Tally* sum) {
  if (options.restarts) return RunWorld(std::make_unique<RestartWorld>(seed, options.trace), sum);
  return RunWorld(std::make_unique<World>(WorldOptions{seed, options.trace}), sum);
}

void PrintSum(const Tally& sum, double seconds) {
  std::string text = fmt::format(
      "{} seeds, {} steps, {} messages, {} blocks, {} leases, {:.0f} h of virtual time; jobs:",
      sum.seeds, sum.steps, sum.messages, sum.blocks, sum.leases,
      static_cast<double>(sum.virtual_ms) / 3.6e6);
  for (const auto& [name, count] : sum.jobs) text += fmt::format(" {} {}", count, name);
  text += "; faults:";
  for (const auto& [name, count] : sum.faults) text += fmt::format(" {} {},", count, name);
  text.back() = ';';
  fmt::print("{} {:.0f} steps/s in {:.1f} s\n", text, static_cast<double>(sum.steps) / seconds,
             seconds);
}

/// Runs every `options.jobs`-th seed, from `first` on. Writes the tally and the first bad seed to
/// `out`.
int RunShare(uint64_t first, const Options& options, int out) {
  const auto start = std::chrono::steady_clock::now();
  Tally sum;
  int code = 0;
  for (uint64_t seed = first; seed < options.from + options.seeds; seed += options.jobs) {
    if (options.max_seconds > 0 && SecondsSince(start) > options.max_seconds) break;
    const std::string at = fmt::format("at {}\n", seed);
    if (write(out, at.data(), at.size()) < 0) return 3;
    if (RunSeed(seed, options, &sum)) continue;
    code = 1;
    break;
  }
  const std::string text = "sum " + sum.ToText() + "end\n";
  if (write(out, text.data(), text.size()) < 0) return 3;
  std::fflush(stdout);
  return code;
}

struct Share {
  pid_t pid = 0;
  int in = -1;
};

Share StartShare(uint64_t first, const Options& options) {
  int ends[2];
  if (pipe(ends) != 0) std::exit(3);
  std::fflush(stdout);
  const pid_t pid = fork();
  if (pid == 0) {
    close(ends[0]);
    _exit(RunShare(first, options, ends[1]));
  }
  close(ends[1]);
  return {pid, ends[0]};
}

int RunMany(const Options& options) {
  const auto start = std::chrono::steady_clock::now();
  std::vector<Share> shares;
  for (uint64_t j = 0; j < options.jobs; ++j) {
    shares.push_back(StartShare(options.from + j, options));
  }
  Tally sum;
  uint64_t bad = 0;
  for (const Share& share : shares) {
    std::string text;
    char buffer[4096];
    for (ssize_t got; (got = read(share.in, buffer, sizeof(buffer))) > 0;) {
      text.append(buffer, static_cast<size_t>(got));
    }
    int status = 0;
    waitpid(share.pid, &status, 0);
    const size_t at = text.rfind("at ");
    const uint64_t last = at == std::string::npos ? 0 : std::strtoull(&text[at + 3], nullptr, 10);
    const size_t tally = text.rfind("sum ");
    if (tally != std::string::npos) sum.Add(Tally::FromText(text.substr(tally + 4)));
    if (status != 0 && (bad == 0 || last < bad)) bad = last;
  }
  PrintSum(sum, SecondsSince(start));
  if (bad == 0) return 0;
  fmt::print("seed {} failed; again with: simulate {}--seed {} --trace\n", bad,
             options.restarts ? "--restarts " : "", bad);
  return 1;
}

bool Parse(int argc, char** argv, Options* options) {
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--trace" || flag == "--restarts") {
      (flag == "--trace" ? options->trace : options->restarts) = true;
      continue;
    }
    if (i + 1 == argc) return false;
    const char* value = argv[++i];
    if (flag == "--seed") {
      options->seed = std::strtoull(value, nullptr, 10);
    } else if (flag == "--seeds") {
      options->seeds = std::strtoull(value, nullptr, 10);
    } else if (flag == "--from") {
      options->from = std::strtoull(value, nullptr, 10);
    } else if (flag == "--jobs") {
      options->jobs = std::max<uint64_t>(1, std::strtoull(value, nullptr, 10));
    } else if (flag == "--max-seconds") {
      options->max_seconds = std::strtod(value, nullptr);
    } else {
      return false;
    }
  }
  return (options->seed > 0) != (options->seeds > 0);
}

int Main(int argc, char** argv) {
  Options options;
  if (!Parse(argc, argv, &options)) {
    fmt::print("{}", kUsage);
    return 64;
  }
  std::signal(SIGABRT, OnAbort);
  if (options.seeds > 0) return RunMany(options);
  const auto start = std::chrono::steady_clock::now();
  Tally sum;
  if (!RunSeed(options.seed, options, &sum)) return 1;
  PrintSum(sum, SecondsSince(start));
  return 0;
}

}  // namespace
}  // namespace bellis::sim

int main(int argc, char** argv) { return bellis::sim::Main(argc, argv); }
