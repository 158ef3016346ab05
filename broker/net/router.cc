#include "broker/net/router.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <zmq.hpp>

namespace bellis {
namespace {

// Messages that may wait for a peer that does not read. A worker has at most 1,024 outstanding.
constexpr int kSendQueueMax = 10'000;
constexpr int kLingerMs = 1'000;
constexpr int kBacklog = 4'096;

}  // namespace

struct Router::Impl {
  zmq::context_t context;
  zmq::socket_t socket{context, zmq::socket_type::router};
  std::string endpoint;
  // Reused, so that the steady state allocates nothing here.
  zmq::message_t routing_id;
  zmq::message_t payload;
};

Router::Router(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Router::~Router() = default;

const std::string& Router::endpoint() const { return impl_->endpoint; }

Result<std::unique_ptr<Router>> Router::Bind(const std::string& endpoint) {
  // The socket file of an ipc endpoint is for this user alone, whatever its directory.
  const mode_t umask_before = umask(0077);
  try {
    auto impl = std::make_unique<Impl>();
    zmq::socket_t& socket = impl->socket;
    socket.set(zmq::sockopt::router_mandatory, 1);
    socket.set(zmq::sockopt::maxmsgsize, kFrameBytesMax);
    socket.set(zmq::sockopt::sndhwm, kSendQueueMax);
    socket.set(zmq::sockopt::rcvhwm, kSendQueueMax);
    socket.set(zmq::sockopt::linger, kLingerMs);
    socket.set(zmq::sockopt::backlog, kBacklog);
    socket.set(zmq::sockopt::tcp_keepalive, 1);
    socket.set(zmq::sockopt::tcp_keepalive_idle, 60);
    if (endpoint.find('[') != std::string::npos) socket.set(zmq::sockopt::ipv6, 1);
    socket.bind(endpoint);
    impl->endpoint = socket.get(zmq::sockopt::last_endpoint);
    umask(umask_before);
    return std::unique_ptr<Router>(new Router(std::move(impl)));
  } catch (const zmq::error_t& error) {
    umask(umask_before);
    const char* hint = error.num() == EADDRINUSE ? ": another program listens there" : "";
    return Error{ErrorCode::kIo,
                 fmt::format("cannot listen at {}: {}{}", endpoint, error.what(), hint)};
  }
}

void Router::Wait(int wake_fd, Duration timeout) {
  zmq::pollitem_t items[] = {{impl_->socket.handle(), 0, ZMQ_POLLIN, 0},
                             {nullptr, wake_fd, ZMQ_POLLIN, 0}};
  // Rounded up: waking a moment early would only mean to wait again.
  const int64_t ms = timeout.ns < 0 ? -1 : (timeout.ns + 999'999) / 1'000'000;
  try {
    zmq::poll(items, 2, std::chrono::milliseconds(std::min<int64_t>(ms, 3'600'000)));
  } catch (const zmq::error_t& error) {
    if (error.num() != EINTR) throw;
  }
}

bool Router::Receive(const Handler& handler) {
  zmq::socket_t& socket = impl_->socket;
  try {
    if (!socket.recv(impl_->routing_id, zmq::recv_flags::dontwait)) return false;
    if (!socket.recv(impl_->payload, zmq::recv_flags::none)) return false;
    const bool single = !impl_->payload.more();
    for (zmq::message_t rest; impl_->payload.more() && socket.recv(rest);) {
      if (!rest.more()) break;
    }
    const char* data = impl_->payload.data<char>();
    handler(impl_->routing_id.to_string_view(),
            std::span<const char>(data, single ? impl_->payload.size() : 0));
    return true;
  } catch (const zmq::error_t& error) {
    if (error.num() != EINTR) throw;
    return true;
  }
}

Router::Sent Router::Send(std::string_view routing_id, std::span<const char> payload) {
  zmq::socket_t& socket = impl_->socket;
  try {
    if (!socket.send(zmq::buffer(routing_id),
                     zmq::send_flags::sndmore | zmq::send_flags::dontwait)) {
      return Sent::kFull;
    }
    socket.send(zmq::buffer(payload.data(), payload.size()), zmq::send_flags::dontwait);
    return Sent::kYes;
  } catch (const zmq::error_t& error) {
    if (error.num() == EHOSTUNREACH) return Sent::kUnroutable;
    if (error.num() == EAGAIN || error.num() == EINTR) return Sent::kFull;
    throw;
  }
}

}  // namespace bellis
