#include "tools/conformance/wire.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <vector>
#include <zmq.hpp>

namespace bellis::conformance {
namespace {

struct KeyPair {
  std::array<char, 41> open{};
  std::array<char, 41> secret{};
};

/// A folder that only this user may enter, for a socket; removed at the end.
struct SocketFolder {
  std::string path;
  ~SocketFolder() {
    if (path.empty()) return;
    ::unlink((path + "/s").c_str());
    ::rmdir(path.c_str());
  }
};

Error SystemError(const char* what, const zmq::error_t& error) {
  return Error{ErrorCode::kIo, std::string(what) + ": " + error.what()};
}

}  // namespace

Instant Now() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return {int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec};
}

struct Wire::Sockets {
  SocketFolder folder;
  std::optional<BadNetwork> network;
  bool keys = false;
  KeyPair server;
  KeyPair worker;
  zmq::context_t context{1};
  std::optional<zmq::socket_t> router;
};

Wire::Wire(std::unique_ptr<Sockets> sockets) : sockets_(std::move(sockets)) {}
Wire::~Wire() = default;

Result<std::unique_ptr<Wire>> Wire::Make(const Options& options) {
  auto sockets = std::make_unique<Sockets>();
  std::string path;
  if (options.ipc) {
    std::string name = "/tmp/bellis-conformance-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) {
      return Error{ErrorCode::kIo, "cannot make a folder for the socket in /tmp"};
    }
    sockets->folder.path = name;
    path = name + "/s";
  }
  Result<BadNetwork> network = BadNetwork::Listen(path);
  if (!network.ok()) return network.error();
  sockets->network.emplace(std::move(network).value());
  sockets->keys = options.keys;
  if (options.keys) {
    ::zmq_curve_keypair(sockets->server.open.data(), sockets->server.secret.data());
    ::zmq_curve_keypair(sockets->worker.open.data(), sockets->worker.secret.data());
  }
  try {
    std::unique_ptr<Wire> wire(new Wire(std::move(sockets)));
    wire->Open();
    return wire;
  } catch (const zmq::error_t& error) {
    return SystemError("cannot open a socket", error);
  }
}

Environment Wire::Variables() const {
  Environment variables{{"BELLIS_ENDPOINT", sockets_->network->endpoint()}};
  if (sockets_->keys) {
    variables["BELLIS_SERVER_KEY"] = sockets_->server.open.data();
    variables["BELLIS_PUBLIC_KEY"] = sockets_->worker.open.data();
    variables["BELLIS_SECRET_KEY"] = sockets_->worker.secret.data();
  }
  return variables;
}

BadNetwork& Wire::network() { return *sockets_->network; }

void Wire::Close() {
  sockets_->network->LeadTo(0);
  sockets_->network->Cut();
  sockets_->router.reset();
}

void Wire::Open() {
  zmq::socket_t router(sockets_->context, zmq::socket_type::router);
  router.set(zmq::sockopt::linger, 0);
  if (sockets_->keys) {
    router.set(zmq::sockopt::curve_server, true);
    router.set(zmq::sockopt::curve_secretkey, sockets_->server.secret.data());
  }
  router.bind("tcp://127.0.0.1:*");
  const std::string bound = router.get(zmq::sockopt::last_endpoint);
  sockets_->network->LeadTo(std::stoi(bound.substr(bound.rfind(':') + 1)));
  sockets_->router = std::move(router);
}

std::optional<Wire::Received> Wire::ReceiveNow() {
  if (!sockets_->router) return std::nullopt;
  zmq::message_t peer;
  if (!sockets_->router->recv(peer, zmq::recv_flags::dontwait)) return std::nullopt;
  Received received{peer.to_string(), "", 0};
  for (bool more = peer.more(); more;) {
    zmq::message_t frame;
    static_cast<void>(sockets_->router->recv(frame));
    if (received.frames++ == 0) received.bytes = frame.to_string();
    more = frame.more();
  }
  return received;
}

std::optional<Wire::Received> Wire::Receive(Instant until, int other_fd) {
  try {
    sockets_->network->Pass();
    if (auto received = ReceiveNow()) return received;
    std::vector<pollfd> waits;
    sockets_->network->AddTo(&waits);
    if (other_fd >= 0) waits.push_back({other_fd, POLLIN, 0});
    std::vector<zmq::pollitem_t> items;
    items.reserve(waits.size() + 1);
    for (const pollfd& wait : waits) {
      items.push_back({nullptr, wait.fd,
                       static_cast<int16_t>((wait.events & POLLIN ? ZMQ_POLLIN : 0) |
                                            (wait.events & POLLOUT ? ZMQ_POLLOUT : 0)),
                       0});
    }
    if (sockets_->router) items.push_back({sockets_->router->handle(), 0, ZMQ_POLLIN, 0});
    const int64_t left_ms = std::max<int64_t>(0, (until - Now()).ns / 1'000'000 + 1);
    ::zmq_poll(items.data(), static_cast<int>(items.size()), static_cast<long>(left_ms));
    sockets_->network->Pass();
    return ReceiveNow();
  } catch (const zmq::error_t&) {
    return std::nullopt;  // a signal: the caller looks what it was
  }
}

void Wire::Send(const std::string& peer, const std::string& bytes) {
  if (!sockets_->router) return;
  try {
    sockets_->router->send(zmq::buffer(peer), zmq::send_flags::sndmore);
    sockets_->router->send(zmq::buffer(bytes), zmq::send_flags::none);
  } catch (const zmq::error_t&) {
    // As on any network: it is lost.
  }
}

}  // namespace bellis::conformance
