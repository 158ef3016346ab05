#include "client/cpp/stock_keeper.h"

#include <algorithm>
#include <system_error>

#include "common/signals_blocked.h"

namespace bellis {
namespace {

constexpr double kStockSeconds = 1e-3;  // what a stock is to be worth
constexpr auto kShedAfter = std::chrono::milliseconds(20);
constexpr double kNewWeight = 0.25;  // of the latest block in the mean

}  // namespace

StockKeeper::StockKeeper(WorkerSession* session, std::recursive_mutex* mutex, uint32_t stock_max)
    : session_(session), mutex_(mutex), stock_max_(stock_max) {}

StockKeeper::~StockKeeper() {
  {
    const std::lock_guard lock(*mutex_);
    ended_ = true;
    if (stock_ > 0) session_->SetStock(0);
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void StockKeeper::BlockBegins() {
  begun_ = Clock::now();
  // With several blocks at once nothing is known of what one takes.
  if (++working_ > 1) SetStock(0);
  // What was asked for while there was a stock may still come when there is none any more.
  asks_ahead_ = stock_ > 0 || session_->wanted() > 0;
  if (rests_ && asks_ahead_) wake_.notify_all();
}

void StockKeeper::BlockEnds() {
  if (--working_ > 0) return;
  const double seconds = std::chrono::duration<double>(Clock::now() - begun_).count();
  mean_s_ =
      mean_s_ < 0 || seconds > kStockSeconds ? seconds : mean_s_ + kNewWeight * (seconds - mean_s_);
  // Where blocks come in runs, a worker with the largest stock may have a larger one.
  const bool in_runs = stock_max_ == kStockMax && session_->takes_runs();
  const double fitting = std::min<double>(kStockSeconds / std::max(mean_s_, 1e-9),
                                          in_runs ? kStockInRunsMax : stock_max_);
  // Grows slowly, so that a short job is shared by all.
  SetStock(std::min(static_cast<uint32_t>(fitting), 2 * stock_ + 1));
}

void StockKeeper::SetStock(uint32_t stock) {
  if (stock == stock_ || !StartThread()) return;
  stock_ = stock;
  session_->SetStock(stock_);
}

/// False where this process may have no more threads. Then there is no stock, as nobody would
/// return it.
bool StockKeeper::StartThread() {
  if (thread_.joinable()) return true;
  if (lacks_thread_) return false;
  const SignalsBlocked blocked;  // they are the user's business, in the user's threads
  try {
    thread_ = std::thread([this] { Watch(); });
  } catch (const std::system_error&) {
    lacks_thread_ = true;
  }
  return !lacks_thread_;
}

void StockKeeper::Watch() {
  std::unique_lock lock(*mutex_);
  while (!ended_) {
    if (working_ == 0 && session_->HasResults()) {  // nobody asks for another block either, perhaps
      const Clock::time_point last = begun_;
      wake_.wait_for(lock, kShedAfter);
      if (!ended_ && working_ == 0 && last == begun_) session_->SendResults();
      continue;  // the end may have come meanwhile
    }
    if (working_ == 0 || !asks_ahead_ || shed_ == begun_) {
      rests_ = true;
      wake_.wait(lock);
      rests_ = false;
      continue;
    }
    const Clock::time_point due = begun_ + kShedAfter;
    if (Clock::now() < due) {
      wake_.wait_until(lock, due);
      continue;
    }
    if (session_->Shed()) {
      wake_.wait_for(lock, kShedAfter);
    } else {
      shed_ = begun_;
    }
  }
}

}  // namespace bellis
