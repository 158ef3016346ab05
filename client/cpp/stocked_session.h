#pragma once

// What a Worker and its handles share: the session, and the keeper of its stock.

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "client/cpp/stock_keeper.h"
#include "client/cpp/worker_session.h"

namespace bellis {

/// A WorkerSession that is used by the thread that works and, meanwhile, by its stock keeper.
class StockedSession {
 public:
  /// Connects and says hello.
  static Result<std::shared_ptr<StockedSession>> Start(const WorkerOptions& options);
  /// `keeps_stock`: blocks are asked for ahead as their times allow.
  StockedSession(std::shared_ptr<WorkerSession> session, bool keeps_stock);
  ~StockedSession();
  StockedSession(const StockedSession&) = delete;
  StockedSession& operator=(const StockedSession&) = delete;

  /// A block, and the greeting that it belongs to.
  struct Leased {
    LeasedBlock block;
    uint64_t greeting;
    std::shared_ptr<const std::string> task;
  };
  /// As WorkerSession::Next; whoever is to stop leaves.
  Result<std::optional<Leased>> Next();
  std::optional<Leased> NextInStock();
  void HandBack(BlockResult result, uint64_t greeting, bool at_once);
  void Leave(const std::string& reason);

  std::string job() const;
  std::string task() const;
  WorkerId worker() const;
  uint32_t slot() const;
  std::string leave_reason() const;

 private:
  /// The error with the words that say who said it.
  Error Attributed(const Error& error) const;

  mutable std::recursive_mutex mutex_;
  const std::shared_ptr<WorkerSession> session_;  // used with the mutex held
  std::unique_ptr<StockKeeper> keeper_;           // none: the stock is fixed
};

}  // namespace bellis
