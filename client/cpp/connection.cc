#include "client/cpp/connection.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <vector>
#include <zmq.hpp>

#include "common/access/handshake_watch.h"
#include "common/endpoint.h"
#include "common/files/private_dir.h"
#include "common/host_address.h"
#include "common/protocol/codec.h"

namespace bellis {
namespace {

// Reconnecting starts soon (a broker on this machine restarts in milliseconds) and backs off.
constexpr int kReconnectMs = 50;
constexpr int kReconnectMaxMs = 2000;
// TCP alone would notice a vanished broker host after many minutes; ipc notices at once.
constexpr int kHeartbeatMs = 15'000;
constexpr int kHeartbeatTimeoutMs = 45'000;
constexpr int kSendTimeoutMs = 5000;
constexpr int64_t kReceiveBytesMax = 16 << 20;

Error SystemError(const char* what, const zmq::error_t& error) {
  return Error{ErrorCode::kIo, std::string(what) + ": " + error.what()};
}

}  // namespace

Instant ClientNow() {
  return {std::chrono::duration_cast<std::chrono::nanoseconds>(
              std::chrono::steady_clock::now().time_since_epoch())
              .count()};
}

struct Connection::Impl {
  zmq::context_t context{1};
  zmq::socket_t socket{context, zmq::socket_type::dealer};
  std::optional<HandshakeWatch> watch;
  Codec codec;
  int receive_timeout_ms = -1;  // as the socket has it
  std::vector<char> hello;      // that nobody has answered yet
  bool keys_lacking = false;    // on tcp

  Result<std::optional<Message>> ReceiveOne(Duration timeout);
  /// What the owner is to hear when the endpoint was opened anew.
  std::optional<Message> Reopened();
};

Connection::Connection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(Connection&&) noexcept = default;
Connection::~Connection() {
  if (impl_ != nullptr) Close(Duration::Seconds(1));
}

Result<Connection> Connection::Open(const std::string& text, const CurveKeys& keys) {
  const Result<Endpoint> endpoint = ParseEndpoint(text, EndpointUse::kConnect);
  if (!endpoint.ok()) return endpoint.error();
  if (const Status trusted = CheckSocketDir(endpoint->Text()); !trusted.ok()) {
    return trusted.error();
  }
  try {
    auto impl = std::make_unique<Impl>();
    zmq::socket_t& socket = impl->socket;
    socket.set(zmq::sockopt::linger, 0);
    socket.set(zmq::sockopt::sndtimeo, kSendTimeoutMs);
    socket.set(zmq::sockopt::maxmsgsize, kReceiveBytesMax);
    socket.set(zmq::sockopt::reconnect_ivl, kReconnectMs);
    socket.set(zmq::sockopt::reconnect_ivl_max, kReconnectMaxMs);
    if (endpoint->is_tcp()) {
      socket.set(zmq::sockopt::heartbeat_ivl, kHeartbeatMs);
      socket.set(zmq::sockopt::heartbeat_timeout, kHeartbeatTimeoutMs);
    }
    socket.set(zmq::sockopt::ipv6, NeedsIpv6(*endpoint));
    impl->keys_lacking = keys.empty() && endpoint->is_tcp();
    impl->watch.emplace(impl->context, socket, endpoint->Text(), keys);
    return Connection(std::move(impl));
  } catch (const zmq::error_t& error) {
    return Error{ErrorCode::kIo, "cannot connect to " + text + ": " + error.what()};
  }
}

Status Connection::Send(const Message& message) {
  const std::span<const char> bytes = impl_->codec.Encode(message);
  if (bytes.size() > kMessageBytesMax) {
    return Error{ErrorCode::kTooLarge,
                 std::string(KindName(message)) + " is " + std::to_string(bytes.size()) +
                     " bytes as a message; at most " + std::to_string(kMessageBytesMax)};
  }
  if (impl_->watch->watches() && std::holds_alternative<HelloMsg>(message)) {
    impl_->hello.assign(bytes.begin(), bytes.end());
  }
  for (;;) {
    try {
      if (impl_->socket.send(zmq::const_buffer(bytes.data(), bytes.size()))) return OkStatus();
      return Error{ErrorCode::kTimeout, "the broker takes no messages, the queue to it is full"};
    } catch (const zmq::error_t& error) {
      if (error.num() != EINTR) return SystemError("send", error);
    }
  }
}

Result<std::optional<Message>> Connection::Receive(Duration timeout) {
  if (!impl_->watch->watches()) return impl_->ReceiveOne(timeout);
  const Instant until = ClientNow() + timeout;
  for (;;) {
    const Instant now = ClientNow();
    const Duration left = std::max(Duration(), until - now);
    const Duration slice = std::min(left, HandshakeWatch::kInterval);
    Result<std::optional<Message>> received = impl_->ReceiveOne(slice);
    if (!received.ok()) return received;
    if (received->has_value()) {
      impl_->hello.clear();
      return received;
    }
    try {
      if (impl_->watch->Reopen()) return impl_->Reopened();
    } catch (const zmq::error_t& error) {
      return SystemError("connect", error);
    }
    const bool interrupted = ClientNow() + Duration::Millis(2) < now + slice;
    if (left <= slice || interrupted) return received;
  }
}

Result<std::optional<Message>> Connection::Impl::ReceiveOne(Duration timeout) {
  const auto timeout_ms = static_cast<int>((timeout.ns + 999'999) / 1'000'000);
  try {
    if (timeout_ms != receive_timeout_ms) {
      socket.set(zmq::sockopt::rcvtimeo, timeout_ms);
      receive_timeout_ms = timeout_ms;
    }
    for (;;) {
      zmq::message_t frame;
      if (!socket.recv(frame)) return std::optional<Message>();
      if (frame.more()) {
        return Error{ErrorCode::kBadMessage, "the broker sent a message of several frames"};
      }
      DecodeResult decoded = codec.Decode({frame.data<char>(), frame.size()});
      if (decoded.ok()) return std::optional<Message>(std::move(decoded.message()));
      if (decoded.error().code == ErrorCode::kUnknownKind) continue;
      return Error{decoded.error().code,
                   "the broker sent what is no message: " + decoded.error().message};
    }
  } catch (const zmq::error_t& error) {
    if (error.num() == EINTR) return std::optional<Message>();
    return SystemError("receive", error);
  }
}

std::optional<Message> Connection::Impl::Reopened() {
  if (hello.empty()) {
    return ErrorMsg{ErrorCode::kHelloFirst, "the connection was opened anew", 0};
  }
  try {
    socket.send(zmq::const_buffer(hello.data(), hello.size()), zmq::send_flags::dontwait);
  } catch (const zmq::error_t&) {
    // The next time, then.
  }
  return std::nullopt;
}

Status Connection::Reopen() {
  try {
    impl_->watch->ReopenNow();
    return OkStatus();
  } catch (const zmq::error_t& error) {
    return SystemError("connect", error);
  }
}

std::string Connection::Trouble() const {
  if (!impl_->keys_lacking) return impl_->watch->trouble();
  return "is bellis-broker running? On tcp it asks for keys, unless it is told not to encrypt, and "
         "none are given (BELLIS_ACCESS names the access file)";
}

bool Connection::Wait(Duration timeout, int fd) {
  zmq::pollitem_t items[] = {{impl_->socket.handle(), 0, ZMQ_POLLIN, 0},
                             {nullptr, fd, ZMQ_POLLIN, 0}};
  // A signal ends the wait early, which does no harm; Receive says what else is wrong.
  zmq_poll(items, fd >= 0 ? 2 : 1, static_cast<long>((timeout.ns + 999'999) / 1'000'000));
  return (items[0].revents & ZMQ_POLLIN) != 0;
}

void Connection::Close(Duration linger) {
  try {
    impl_->socket.set(zmq::sockopt::linger, static_cast<int>(linger.ns / 1'000'000));
  } catch (const zmq::error_t&) {
    // Nothing may leave the process then; there is nobody to tell.
  }
  impl_->socket.close();
  impl_.reset();  // the context waits for the linger
}

void Connection::Abandon() {
  // The threads of the context are not in this process: whoever closed it would wait for ever.
  static std::vector<Impl*>& abandoned = *new std::vector<Impl*>();
  abandoned.push_back(impl_.release());
}

}  // namespace bellis
