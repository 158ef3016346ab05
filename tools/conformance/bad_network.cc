#include "tools/conformance/bad_network.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace bellis::conformance {
namespace {

constexpr int kFlags = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;

Error SystemError(const std::string& what) {
  return Error{ErrorCode::kIo, what + ": " + std::strerror(errno)};
}

sockaddr_in Loopback(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

/// Closed by a reset at the end, so that no side takes it for a farewell.
void ResetAtEnd(const Fd& socket) {
  const linger at_once = {1, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

/// Messages are small and wait for one another.
void NoDelay(const Fd& socket) {
  const int one = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

/// Appends what has come. False: the other side has closed.
bool ReadInto(const Fd& from, std::string* buffer) {
  std::array<char, 65536> bytes;
  for (;;) {
    const ssize_t got = ::recv(from.get(), bytes.data(), bytes.size(), 0);
    if (got > 0) {
      buffer->append(bytes.data(), static_cast<size_t>(got));
    } else {
      return got < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOTCONN);
    }
  }
}

bool WriteFrom(std::string* buffer, const Fd& to) {
  while (!buffer->empty()) {
    const ssize_t put = ::send(to.get(), buffer->data(), buffer->size(), MSG_NOSIGNAL);
    if (put < 0) return errno == EAGAIN || errno == EINTR || errno == ENOTCONN;
    buffer->erase(0, static_cast<size_t>(put));
  }
  return true;
}

}  // namespace

Result<BadNetwork> BadNetwork::Listen(const std::string& ipc_path) {
  Fd socket(::socket(ipc_path.empty() ? AF_INET : AF_UNIX, kFlags, 0));
  if (!socket.ok()) return SystemError("socket");
  sockaddr_in tcp = Loopback(0);
  sockaddr_un ipc = {};
  ipc.sun_family = AF_UNIX;
  if (ipc_path.size() >= sizeof(ipc.sun_path)) {
    return Error{ErrorCode::kIo, "the path of the socket is too long: " + ipc_path};
  }
  ipc_path.copy(ipc.sun_path, ipc_path.size());
  const bool on_tcp = ipc_path.empty();
  const auto* address =
      on_tcp ? reinterpret_cast<sockaddr*>(&tcp) : reinterpret_cast<sockaddr*>(&ipc);
  socklen_t size = on_tcp ? sizeof(tcp) : sizeof(ipc);
  if (::bind(socket.get(), address, size) != 0) return SystemError("bind");
  if (::listen(socket.get(), 64) != 0) return SystemError("listen");
  if (!on_tcp) return BadNetwork(std::move(socket), "ipc://" + ipc_path);
  if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&tcp), &size) != 0) {
    return SystemError("getsockname");
  }
  const std::string port = std::to_string(ntohs(tcp.sin_port));
  return BadNetwork(std::move(socket), "tcp://127.0.0.1:" + port);
}

void BadNetwork::Cut() {
  for (const Link& link : links_) {
    ResetAtEnd(link.worker);
    ResetAtEnd(link.broker);
  }
  links_.clear();
}

void BadNetwork::Hold() {
  for (Link& link : links_) link.held = true;
}

void BadNetwork::AddTo(std::vector<pollfd>* waits) const {
  waits->push_back({listening_.get(), POLLIN, 0});
  for (const Link& link : links_) {
    if (link.held) continue;
    const auto events = [](bool ended, const std::string& out) {
      return static_cast<int16_t>((ended ? 0 : POLLIN) | (out.empty() ? 0 : POLLOUT));
    };
    waits->push_back({link.worker.get(), events(link.worker_ended, link.to_worker), 0});
    waits->push_back({link.broker.get(), events(link.broker_ended, link.to_broker), 0});
  }
}

void BadNetwork::Accept() {
  for (;;) {
    Fd worker(::accept4(listening_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!worker.ok()) return;
    NoDelay(worker);
    if (port_ == 0) {
      ResetAtEnd(worker);
      continue;
    }
    Fd broker(::socket(AF_INET, kFlags, 0));
    const sockaddr_in address = Loopback(port_);
    const auto* to = reinterpret_cast<const sockaddr*>(&address);
    if (!broker.ok()) continue;
    if (::connect(broker.get(), to, sizeof(address)) != 0 && errno != EINPROGRESS) continue;
    NoDelay(broker);
    links_.push_back({std::move(worker), std::move(broker)});
  }
}

bool BadNetwork::PassOn(Link* link) {
  if (!link->worker_ended) link->worker_ended = !ReadInto(link->worker, &link->to_broker);
  if (!link->broker_ended) link->broker_ended = !ReadInto(link->broker, &link->to_worker);
  if (cut_next_ && link->to_worker.size() > 1) {
    link->to_worker.resize(link->to_worker.size() / 2);
    WriteFrom(&link->to_worker, link->worker);
    return false;
  }
  const bool to_broker = WriteFrom(&link->to_broker, link->broker);
  const bool to_worker = WriteFrom(&link->to_worker, link->worker);
  if (!to_broker || !to_worker) return false;
  // The bytes that one side sent before it closed are still passed on to the other.
  if (link->worker_ended) return !link->to_broker.empty();
  if (link->broker_ended) return !link->to_worker.empty();
  return true;
}

void BadNetwork::Pass() {
  Accept();
  for (auto link = links_.begin(); link != links_.end();) {
    if (link->held || PassOn(&*link)) {
      ++link;
    } else if (cut_next_) {
      cut_next_ = false;
      Cut();
      return;
    } else {
      link = links_.erase(link);
    }
  }
}

}  // namespace bellis::conformance
