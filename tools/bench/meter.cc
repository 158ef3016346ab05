#include "tools/bench/meter.h"

#include <chrono>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace bellis::bench {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr Seconds kBeginMax{10};
constexpr Seconds kWarmUp{0.1};
constexpr std::chrono::milliseconds kLook{5};

struct Threads {
  explicit Threads(int count) : counters(static_cast<size_t>(count)) {}
  ~Threads() { Stop(); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

  void Stop() {
    stop = true;
    for (std::thread& thread : threads) {
      if (thread.joinable()) thread.join();
    }
  }
  void Note(const Status& ended) {
    const std::lock_guard hold(mutex);
    if (!ended.ok() && !error) error = ended.error();
  }
  std::optional<Error> Failure() {
    const std::lock_guard hold(mutex);
    return error;
  }
  bool AllBegun() const {
    for (const Counter& counter : counters) {
      if (counter.done == 0) return false;
    }
    return true;
  }
  uint64_t Done() const {
    uint64_t sum = 0;
    for (const Counter& counter : counters) sum += counter.done;
    return sum;
  }

  std::vector<Counter> counters;
  std::vector<std::thread> threads;
  std::atomic<bool> stop = false;
  std::mutex mutex;
  std::optional<Error> error;
};

/// Waits until `until`, or returns why not.
Status Sleep(Threads& threads, const Setting& setting, Clock::time_point until,
             const std::function<bool()>& enough) {
  while (Clock::now() < until && !enough()) {
    if (const auto failure = threads.Failure()) return *failure;
    if (setting.interrupted && setting.interrupted()) {
      return Error{ErrorCode::kShuttingDown, "interrupted"};
    }
    std::this_thread::sleep_for(kLook);
  }
  return OkStatus();
}

Clock::time_point After(Seconds seconds) {
  return Clock::now() + std::chrono::duration_cast<Clock::duration>(seconds);
}

}  // namespace

Result<double> Rate(const Setting& setting,
                    const std::function<Status(Counter&, const std::atomic<bool>& stop)>& body) {
  Threads threads(setting.threads);
  for (Counter& counter : threads.counters) {
    threads.threads.emplace_back([&] { threads.Note(body(counter, threads.stop)); });
  }
  const auto never = [] { return false; };
  Status slept =
      Sleep(threads, setting, After(kBeginMax), [&threads] { return threads.AllBegun(); });
  if (slept.ok() && !threads.AllBegun()) {
    return Error{ErrorCode::kTimeout, "nothing came back within ten seconds"};
  }
  if (slept.ok()) slept = Sleep(threads, setting, After(kWarmUp), never);
  const uint64_t before = threads.Done();
  const Clock::time_point begin = Clock::now();
  if (slept.ok()) slept = Sleep(threads, setting, After(Seconds(setting.seconds)), never);
  const uint64_t after = threads.Done();
  const double seconds = Seconds(Clock::now() - begin).count();
  threads.Stop();
  if (!slept.ok()) return slept.error();
  if (const auto failure = threads.Failure()) return *failure;
  return static_cast<double>(after - before) / seconds;
}

}  // namespace bellis::bench
