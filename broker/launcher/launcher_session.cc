#include "broker/launcher/launcher_session.h"

#include <algorithm>
#include <utility>

namespace bellis {
namespace {

// A hello older than this was lost if the broker still does not know this launcher.
constexpr Duration kHelloPatience = Duration::Millis(1000);
// One ping confirms all reports within this time.
constexpr Duration kConfirmInterval = Duration::Millis(250);

}  // namespace

LauncherSession::LauncherSession(HelloMsg hello, Instant now)
    : hello_(std::move(hello)),
      ping_at_(now + ping_interval_min_),
      ping_interval_(ping_interval_min_) {}

void LauncherSession::Report(Message report) {
  if (const auto* exited = std::get_if<ExitedMsg>(&report)) running_.erase(exited->worker);
  reports_.push_back({std::move(report), 0});
}

bool LauncherSession::ExitIsPending(WorkerId worker) const {
  return std::any_of(reports_.begin(), reports_.end(), [worker](const PendingReport& report) {
    const auto* exited = std::get_if<ExitedMsg>(&report.message);
    return exited != nullptr && exited->worker == worker;
  });
}

void LauncherSession::PingEvery(Duration interval, Instant now) {
  ping_interval_min_ = ping_interval_max_ = ping_interval_ = interval;
  ping_at_ = std::min(ping_at_, now + interval);
}

void LauncherSession::OnWelcome() {
  if (state_ != State::kGreeting) return;
  state_ = State::kKnown;
  sent_ = 0;
  repeat_running_ = true;
  ping_interval_ = ping_interval_min_;
}

void LauncherSession::OnReopened() {
  if (state_ == State::kRefused) return;
  state_ = State::kGreeting;
  hello_due_ = true;
}

void LauncherSession::OnPong(const PongMsg& pong) {
  ping_interval_ = ping_interval_min_;
  while (sent_ > 0 && reports_.front().nonce <= pong.nonce) {
    const Message& read = reports_.front().message;
    if (const auto* launched = std::get_if<LaunchedMsg>(&read)) {
      running_[launched->worker] = *launched;
    } else if (const auto* exited = std::get_if<ExitedMsg>(&read)) {
      running_.erase(exited->worker);
    }
    reports_.pop_front();
    --sent_;
  }
}

void LauncherSession::OnError(const ErrorMsg& error, Instant now) {
  if (error.code != ErrorCode::kHelloFirst) {
    if (state_ == State::kGreeting) state_ = State::kRefused;
    return;
  }
  // Several messages may be refused at once; one hello answers them all.
  if (state_ == State::kKnown) {
    state_ = State::kGreeting;
    hello_due_ = true;
  } else if (state_ == State::kGreeting && now >= hello_said_ + kHelloPatience) {
    hello_due_ = true;
  }
}

std::vector<Message> LauncherSession::TakeOutgoing(Instant now) {
  std::vector<Message> outgoing;
  if (state_ == State::kRefused) return outgoing;
  if (hello_due_) {
    outgoing.push_back(hello_);
    hello_due_ = false;
    hello_said_ = now;
  }
  if (state_ == State::kKnown && std::exchange(repeat_running_, false)) {
    for (const auto& [worker, launched] : running_) outgoing.push_back(launched);
  }
  if (state_ == State::kKnown && sent_ < reports_.size()) {
    for (; sent_ < reports_.size(); ++sent_) {
      reports_[sent_].nonce = last_nonce_ + 1;
      outgoing.push_back(reports_[sent_].message);
    }
    ping_at_ = std::min(ping_at_, now + kConfirmInterval);
  }
  if (now >= ping_at_) {
    outgoing.push_back(PingMsg{++last_nonce_});
    ping_at_ = now + ping_interval_;
    ping_interval_ = std::min(ping_interval_ + ping_interval_, ping_interval_max_);
  }
  return outgoing;
}

Instant LauncherSession::next_deadline() const {
  if (state_ == State::kRefused) return Instant::Never();
  return hello_due_ ? Instant{} : ping_at_;
}

}  // namespace bellis
