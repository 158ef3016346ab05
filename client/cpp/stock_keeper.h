#pragma once

// How many blocks a worker has in stock while it works on one, where that is not fixed.
//
// Blocks that take microseconds are asked for many at a time, so that the way to the broker and
// back costs nothing: the stock is what takes about a millisecond to work off. When a block takes
// longer than those before it, a thread hands the stock back, so that no block waits behind it
// while another worker could have it.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include "client/cpp/worker_session.h"

namespace bellis {

/// The most that is asked for ahead.
inline constexpr uint32_t kStockMax = 127;
/// The same where blocks come in runs.
inline constexpr uint32_t kStockInRunsMax = 1000;

/// Borrows the session, and the mutex that guards it. The thread is started with the first stock.
class StockKeeper {
 public:
  /// At most `stock_max` blocks, besides the one worked on.
  StockKeeper(WorkerSession* session, std::recursive_mutex* mutex, uint32_t stock_max);
  /// Ends the thread; the mutex must be free. Not to be called in a forked child, which has no such
  /// thread: the keeper is to be left where it is.
  ~StockKeeper();
  StockKeeper(const StockKeeper&) = delete;
  StockKeeper& operator=(const StockKeeper&) = delete;

  // With the mutex held, by the thread that works.
  void BlockBegins();
  void BlockEnds();

  /// Whether blocks are asked for ahead: results are then to be handed in at once, or soon if
  /// is_awake().
  bool has_stock() const { return stock_ > 0; }
  /// Whether the thread hands in what waits for other results, when it has waited for long.
  bool is_awake() const { return thread_.joinable() && !rests_; }

 private:
  using Clock = std::chrono::steady_clock;
  void Watch();
  void SetStock(uint32_t stock);
  bool StartThread();

  WorkerSession* const session_;
  std::recursive_mutex* const mutex_;
  const uint32_t stock_max_;
  std::condition_variable_any wake_;
  // Guarded by the mutex.
  bool ended_ = false;
  bool rests_ = false;
  bool asks_ahead_ = false;
  uint32_t working_ = 0;  // blocks
  uint32_t stock_ = 0;
  double mean_s_ = -1;
  Clock::time_point begun_;
  Clock::time_point shed_;  // the block (by its beginning) for which the stock was handed back
  bool lacks_thread_ = false;
  std::thread thread_;
};

}  // namespace bellis
