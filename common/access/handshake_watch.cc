#include "common/access/handshake_watch.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

namespace bellis {
namespace {

constexpr int kHandshakeMs = 5'000;
constexpr Duration kPauseFirst = Duration::Millis(100);
constexpr Duration kPauseMax = Duration::Millis(2'000);
constexpr Duration kSilence = Duration::Millis(3'000);
constexpr int kEvents = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                        ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                        ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CONNECT_RETRIED;
constexpr char kMonitor[] = "inproc://handshakes";

Instant Now() {
  return {std::chrono::duration_cast<std::chrono::nanoseconds>(
              std::chrono::steady_clock::now().time_since_epoch())
              .count()};
}

}  // namespace

HandshakeWatch::HandshakeWatch(zmq::context_t& context, zmq::socket_t& socket, std::string endpoint,
                               const CurveKeys& keys)
    : socket_(socket), endpoint_(std::move(endpoint)), pause_(kPauseFirst) {
  if (!keys.empty() && endpoint_.starts_with("tcp://")) {
    socket_.set(zmq::sockopt::curve_serverkey, keys.server_key);
    socket_.set(zmq::sockopt::curve_publickey, keys.public_key);
    socket_.set(zmq::sockopt::curve_secretkey, keys.secret_key);
    socket_.set(zmq::sockopt::handshake_ivl, kHandshakeMs);
    if (zmq_socket_monitor(socket_.handle(), kMonitor, kEvents) != 0) throw zmq::error_t();
    monitor_.emplace(context, zmq::socket_type::pair);
    monitor_->set(zmq::sockopt::linger, 0);
    monitor_->connect(kMonitor);
  }
  socket_.connect(endpoint_);
}

bool HandshakeWatch::Reopen() {
  if (!monitor_) return false;
  Hear();
  if (reopen_at_ == Instant::Never() || Now() < reopen_at_) return false;
  ReopenNow();
  return true;
}

void HandshakeWatch::ReopenNow() {
  try {
    socket_.disconnect(endpoint_);
  } catch (const zmq::error_t&) {
    // libzmq has already given the endpoint up.
  }
  socket_.connect(endpoint_);
  reopen_at_ = Instant::Never();
}

void HandshakeWatch::Hear() {
  zmq::message_t event;
  zmq::message_t address;
  while (monitor_->recv(event, zmq::recv_flags::dontwait)) {
    if (!monitor_->recv(address) || event.size() < sizeof(uint16_t)) return;
    uint16_t kind = 0;
    std::memcpy(&kind, event.data(), sizeof(kind));
    if (kind == ZMQ_EVENT_CONNECT_RETRIED) {
      reopen_at_ = Instant::Never();  // libzmq tries again by itself
    } else if (kind == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
      trouble_.clear();
      pause_ = kPauseFirst;
      reopen_at_ = Instant::Never();
    } else if (kind == ZMQ_EVENT_DISCONNECTED) {
      // Most often libzmq tries again by itself, which causes another event.
      if (reopen_at_ == Instant::Never()) reopen_at_ = Now() + kSilence;
    } else {
      trouble_ = kind == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH
                     ? "the program that answered there refuses this key"
                     : "the program that answered there did not prove to be the broker, and was "
                       "sent nothing";
      reopen_at_ = Now() + pause_;
      pause_ = std::min(pause_ + pause_, kPauseMax);
    }
  }
}

}  // namespace bellis
