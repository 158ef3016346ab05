#include "tests/sim/lasting_worker.h"

#include <algorithm>
#include <utility>

#include "common/protocol/task_grid.h"

namespace bellis::sim {
namespace {

constexpr uint32_t kHeartbeatMs = 500;
constexpr Duration kMargin = Duration::Millis(300);

}  // namespace

LastingWorker::LastingWorker(Surroundings* around, HelloMsg hello, bool silent, Witness witness)
    : Actor(around),
      hello_(std::move(hello)),
      witness_(std::move(witness)),
      dealer_(around->network, [this](const Message& message) { OnMessage(message); }),
      silent_(silent) {
  hello_.role = Role::kWorker;
  hello_.session = random().Next() >> 1;
  hello_.heartbeat_ms = silent_ ? 0 : kHeartbeatMs;
  fails_ = random().Chance(0.3) ? 0.2 : 0;
  prefetch_ = static_cast<uint32_t>(random().Chance(0.5) ? random().Pick(1, 3) : 0);
  hello_.runs = random().Chance(0.5);
  if (hello_.runs && prefetch_ > 0) prefetch_ *= 8;
  until_ = now();
  SayHello();
  Beat();
}

Instant LastingWorker::Deadline() const {
  return silent_ ? Instant::Never() : Instant{until_.ns - kMargin.ns};
}

void LastingWorker::SayHello() {
  welcome_ = false;
  hello_.held.clear();
  if (current_) hello_.held.push_back({current_->lease, current_->index, current_->attempt});
  for (const LeasedBlock& block : stock_)
    hello_.held.push_back({block.lease, block.index, block.attempt});
  for (const Result& result : unstored_) {
    const LeasedBlock& block = result.block;
    hello_.held.push_back({block.lease, block.index, block.attempt});
  }
  if (hello_sent_ == Instant::Never()) hello_sent_ = now();
  hello_said_ = now();
  ++hello_.greeting;
  wanted_ = 0;
  dealer_.Send(hello_);
}

void LastingWorker::Beat() {
  CheckFence();
  if (!alive()) return;
  if (!deaf()) {
    ++last_ping_;
    // Before a welcome, the worker does not know how long this broker's leases are.
    if (welcome_) pings_[last_ping_] = now() + lease_;
    while (pings_.size() > 50) pings_.erase(pings_.begin());
    dealer_.Send(PingMsg{last_ping_});
  }
  Later(Duration::Millis(kHeartbeatMs), [this] { Beat(); });
  const Duration left = Deadline() - now();
  if (left.ns > 0 && left < Duration::Millis(kHeartbeatMs)) Later(left, [this] { CheckFence(); });
}

/// Ends the worker if its leases may be over while it still holds blocks to work on.
void LastingWorker::CheckFence() {
  if (frozen_ || now() < Deadline() || (!current_ && stock_.empty())) return;
  around_->Fault("fenced");
  Die(false, "fenced");
}

void LastingWorker::Crash(bool seen) {
  if (!alive()) return;
  if (current_) witness_.end(key(), false);
  current_.reset();
  EndLife();
  dealer_.Crash(seen);
}

void LastingWorker::Die(bool bye, const std::string& why) {
  if (current_) witness_.end(key(), false);
  current_.reset();
  if (bye) dealer_.Send(ByeMsg{why});
  EndLife();
  dealer_.Close();
}

void LastingWorker::Freeze(Duration how_long) {
  if (frozen_ || !alive()) return;
  frozen_ = true;
  Later(how_long, [this] {
    frozen_ = false;
    CheckFence();
    ReadOn();
    if (alive()) StartNext();
  });
}

void LastingWorker::Repeat() {
  if (!deaf()) SayHello();
}

void LastingWorker::ReadOn() {
  while (!unread_.empty() && alive() && !deaf()) {
    const Message message = std::move(unread_.front());
    unread_.pop_front();
    Read(message);
  }
}

void LastingWorker::OnMessage(const Message& message) {
  if (!alive()) return;
  if (deaf()) {
    unread_.push_back(message);
  } else {
    Read(message);
  }
}

void LastingWorker::Read(const Message& message) {
  CheckFence();
  if (!alive()) return;
  if (const auto* welcome = std::get_if<WelcomeMsg>(&message)) return Welcomed(*welcome);
  if (const auto* pong = std::get_if<PongMsg>(&message)) {
    const auto sent = pings_.find(pong->nonce);
    if (sent != pings_.end()) until_ = std::max(until_, sent->second);
  } else if (const auto* work = std::get_if<WorkMsg>(&message)) {
    if (!welcome_) return;
    const auto blocks = Unfold(*work, tiling_);
    Require(blocks.ok(), "runs come to those who said so, of blocks that exist",
            [&] { return blocks.error().message; });
    for (const LeasedBlock& block : *blocks) {
      stock_.push_back(block);
      if (wanted_ > 0) --wanted_;
    }
    StartNext();
  } else if (const auto* committed = std::get_if<CommittedMsg>(&message)) {
    for (const LeaseId lease : committed->leases) Committed(lease, false);
    for (const LeaseId lease : committed->dropped) Committed(lease, true);
    for (const LeaseRun& run : committed->runs) {
      for (uint32_t i = 0; i < run.count; ++i) Committed(LeaseId(run.lease.value + i), false);
    }
  } else if (const auto* error = std::get_if<ErrorMsg>(&message)) {
    if (error->code == ErrorCode::kHelloFirst) {
      if (welcome_ || now() > hello_said_ + Duration::Seconds(2)) SayHello();
    } else if (error->code != ErrorCode::kLimit) {
      Die(false, "refused");  // the worker comes back as a new one
    }
  } else if (std::holds_alternative<DrainMsg>(message)) {
    draining_ = true;
    StartNext();
  } else if (std::holds_alternative<LeaveMsg>(message)) {
    Die(true, "left");
  }
}

void LastingWorker::Committed(LeaseId lease, bool dropped) {
  const auto of = std::find_if(unstored_.begin(), unstored_.end(), [lease](const Result& result) {
    return result.block.lease == lease;
  });
  if (of == unstored_.end()) return;
  if (!dropped && of->result.outcome == BlockOutcome::kCompleted) witness_.committed(of->block);
  unstored_.erase(of);
}

void LastingWorker::Welcomed(const WelcomeMsg& welcome) {
  welcome_ = true;
  tiling_.reset();
  if (welcome.grid) tiling_ = TilingOf(*welcome.grid).value();
  done_.clear();  // unstored_ has them
  durable_ = welcome.durable;
  hello_.worker = welcome.worker;
  lease_ = Duration::Millis(welcome.lease_ms);
  const Instant sent = std::exchange(hello_sent_, Instant::Never());
  if (sent != Instant::Never()) until_ = std::max(until_, sent + lease_);
  const auto is_mine = [&](LeaseId lease) {
    return std::find(welcome.held.begin(), welcome.held.end(), lease) != welcome.held.end();
  };
  if (current_ && !is_mine(current_->lease)) {
    ++run_;
    current_.reset();
    witness_.end(key(), false);
  }
  std::erase_if(stock_, [&](const LeasedBlock& block) { return !is_mine(block.lease); });
  std::erase_if(unstored_, [&](const Result& result) { return !is_mine(result.block.lease); });
  for (const Result& result : unstored_) HandIn(result, 0);
  Ask();
  StartNext();
}

void LastingWorker::Ask() {
  const uint32_t have = wanted_ + static_cast<uint32_t>(stock_.size()) + (current_ ? 1 : 0);
  if (draining_ || have > prefetch_) return;
  wanted_ += 1 + prefetch_ - have;
  dealer_.Send(AcquireMsg{1 + prefetch_ - have});
}

void LastingWorker::StartNext() {
  if (current_ || frozen_ || !alive()) return;
  if (stock_.empty()) {
    if (draining_ && unstored_.empty()) Die(true, "drained");
    return;
  }
  // The worker begins no block whose lease may be over.
  if (now() >= Deadline()) return;
  current_ = stock_.front();
  stock_.pop_front();
  witness_.begin(key(), *current_);
  const bool slow = random().Chance(silent_ ? 0.15 : 0.05);
  const Duration longest = Duration::Seconds(silent_ ? 40 : 12);
  Later(random().Between(Duration::Millis(1), slow ? longest : Duration::Millis(600)),
        [this, run = ++run_] { Finish(run); });
}

void LastingWorker::Finish(uint64_t run) {
  if (run != run_ || !current_) return;
  if (frozen_) return Later(Duration::Millis(50), [this, run] { Finish(run); });
  const bool fails = random().Chance(around_->sound ? 0 : fails_);
  Result result{*current_,
                {current_->lease, fails ? BlockOutcome::kFailed : BlockOutcome::kCompleted, ""}};
  current_.reset();
  witness_.end(key(), !fails);
  if (durable_) unstored_.push_back(result);
  if (welcome_) {
    const uint32_t have = wanted_ + static_cast<uint32_t>(stock_.size());
    const uint32_t want = draining_ || have > prefetch_ ? 0 : 1 + prefetch_ - have;
    wanted_ += want;
    HandIn(result, want);
  }
  ReadOn();
  if (alive()) StartNext();
}

void LastingWorker::HandIn(const Result& result, uint32_t want) {
  ReleaseMsg release;
  const LeaseId lease = result.result.lease;
  if (tiling_ && result.result.outcome == BlockOutcome::kCompleted) {
    const bool follows =
        !done_.empty() && done_.back().lease.value + done_.back().count == lease.value;
    if (!follows) done_.push_back({lease, 0});
    ++done_.back().count;
    if (want == 0 && !stock_.empty() && random().Chance(0.6)) return;
  } else {
    release.results.push_back(result.result);
  }
  release.runs = std::exchange(done_, {});
  release.want = want;
  dealer_.Send(release);
}

}  // namespace bellis::sim
