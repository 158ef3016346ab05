#include "client/cpp/stocked_session.h"

#include <utility>

namespace bellis {

StockedSession::StockedSession(std::shared_ptr<WorkerSession> session, bool keeps_stock)
    : session_(std::move(session)) {
  if (keeps_stock) keeper_ = std::make_unique<StockKeeper>(session_.get(), &mutex_, kStockMax);
}

StockedSession::~StockedSession() {
  if (session_->is_inherited()) static_cast<void>(keeper_.release());
}

Result<std::shared_ptr<StockedSession>> StockedSession::Start(const WorkerOptions& options) {
  Result<std::shared_ptr<WorkerSession>> session = WorkerSession::Open(options);
  if (!session.ok()) return session.error();
  auto made = std::make_shared<StockedSession>(std::move(*session), !options.prefetch.has_value());
  const Status greeted = made->session_->Greet();
  if (!greeted.ok()) return made->Attributed(greeted.error());
  return made;
}

Result<std::optional<StockedSession::Leased>> StockedSession::Next() {
  const std::lock_guard lock(mutex_);
  Result<std::optional<LeasedBlock>> next = session_->Next();
  if (!next.ok()) return Attributed(next.error());
  if (!next->has_value()) {
    if (!session_->is_leaving()) session_->Leave("asked to stop");
    return std::optional<Leased>();
  }
  if (keeper_) keeper_->BlockBegins();
  return std::optional<Leased>({**next, session_->greeting(), session_->task()});
}

std::optional<StockedSession::Leased> StockedSession::NextInStock() {
  const std::lock_guard lock(mutex_);
  const std::optional<LeasedBlock> block = session_->NextInStock();
  if (!block) return std::nullopt;
  if (keeper_) keeper_->BlockBegins();
  return Leased{*block, session_->greeting(), session_->task()};
}

void StockedSession::HandBack(BlockResult result, uint64_t greeting, bool at_once) {
  if (session_->is_inherited()) return;
  const std::lock_guard lock(mutex_);
  if (keeper_) keeper_->BlockEnds();
  using Sent = WorkerSession::Sent;
  Sent when = at_once ? Sent::kNow : Sent::kWithRequest;
  if (!at_once && keeper_ && keeper_->has_stock()) {
    when = keeper_->is_awake() ? Sent::kSoon : Sent::kNow;
  }
  session_->HandBack(std::move(result), greeting, when);
}

void StockedSession::Leave(const std::string& reason) {
  if (session_->is_inherited()) return;
  const std::lock_guard lock(mutex_);
  session_->Leave(reason);
}

std::string StockedSession::job() const {
  const std::lock_guard lock(mutex_);
  return session_->job();
}

std::string StockedSession::task() const {
  const std::lock_guard lock(mutex_);
  return *session_->task();
}

WorkerId StockedSession::worker() const {
  const std::lock_guard lock(mutex_);
  return session_->worker();
}

uint32_t StockedSession::slot() const {
  const std::lock_guard lock(mutex_);
  return session_->slot();
}

std::string StockedSession::leave_reason() const {
  const std::lock_guard lock(mutex_);
  return session_->leave_reason();
}

Error StockedSession::Attributed(const Error& error) const {
  if (!session_->was_refused()) return error;
  return {error.code, "the broker at " + session_->endpoint() + " says: " + error.message};
}

}  // namespace bellis
