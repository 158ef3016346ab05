#pragma once

// Counts what several threads do in some time.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

#include "bellis/result.h"

namespace bellis::bench {

/// Counts what one thread has done. It has its own cache line.
struct alignas(64) Counter {
  std::atomic<uint64_t> done = 0;
  void Add(uint64_t n = 1) { done.fetch_add(n, std::memory_order_relaxed); }
};

struct Setting {
  int threads = 1;
  double seconds = 1.0;
  std::function<bool()> interrupted;  // ends the measurement early, with an error
};

/// Runs `body(counter, stop)` in each of the threads, and returns how much they do a second,
/// together, once all have begun. `body` returns soon after `stop` is true.
/// Errors: the first that a body returns; kTimeout if one does nothing for ten seconds.
Result<double> Rate(const Setting& setting,
                    const std::function<Status(Counter&, const std::atomic<bool>& stop)>& body);

}  // namespace bellis::bench
