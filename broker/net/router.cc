#include "broker/net/router.h"

#include <fmt/format.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <unordered_map>
#include <utility>
#include <vector>
#include <zmq.hpp>

#include "broker/net/connection_guard.h"
#include "broker/net/input_guard.h"
#include "broker/net/process_limits.h"
#include "common/host_address.h"

namespace bellis {
namespace {

// How many messages may wait for a peer that does not read. A worker has at most 1,024 outstanding.
constexpr int kSendQueueMax = 10'000;
// How many messages of one peer may wait for the broker. Each has at most kFrameBytesMax, so this
// bounds memory.
constexpr int kReceiveQueueMax = 256;
constexpr int kLingerMs = 1'000;
constexpr int kBacklog = 4'096;
// A connection that has not completed the ZMTP handshake in this time is closed.
constexpr int kHandshakeMs = 10'000;
constexpr std::chrono::milliseconds kLookAtInputs{100};

// Ends the connection with the descriptor `fd`. If the number was used again meanwhile, a newer
// connection is cut instead; anything but a socket is not affected.
void CutConnection(int fd) { shutdown(fd, SHUT_RDWR); }

}  // namespace

struct Router::Impl {
  zmq::context_t context;
  zmq::socket_t socket{context, zmq::socket_type::router};
  std::string endpoint;
  // Reused for every message, so that nothing is allocated here.
  zmq::message_t routing_id;
  zmq::message_t payload;
  // Tells which descriptors are closed. libzmq knows peers by routing id, but its monitor knows
  // them by descriptor; only a message has both. A descriptor may be used again before its close is
  // read here, so several peers may have the same descriptor.
  zmq::socket_t monitor{context, zmq::socket_type::pair};
  std::unordered_multimap<int, std::string> peers_of;
  ConnectionGuard guard{CutConnection};
  // Only for tcp: for other sockets the system does not tell how many bytes came.
  InputGuard inputs{kUnreadInputMax, BytesReadOf, CutConnection};
  std::chrono::steady_clock::time_point inputs_looked_at;
  bool tcp = false;
  std::unordered_map<std::string, int> descriptor_of;
  // What libzmq gives a thread to poll: readable means that a socket may have a message. It is not
  // readable while messages wait if the socket has been used since they came.
  int socket_fd = -1;
  int monitor_fd = -1;
  int door_fd = -1;
  bool drained = false;  // the socket had no message left, and was not used since
  bool monitor_has_news = true;
  // libzmq asks here whether a key is let in (ZMQ RFC 27, "ZAP"); only with CURVE.
  zmq::socket_t door;
  Doorkeeper let_in;

  void StartCurve(const std::string& secret_key, Doorkeeper doorkeeper) {
    let_in = std::move(doorkeeper);
    door = zmq::socket_t(context, zmq::socket_type::rep);
    door.set(zmq::sockopt::linger, 0);
    door.bind("inproc://zeromq.zap.01");
    socket.set(zmq::sockopt::curve_server, true);
    socket.set(zmq::sockopt::curve_secretkey, secret_key);
    socket.set(zmq::sockopt::zap_domain, std::string_view("bellis"));
  }

  void AnswerDoor() {
    std::vector<std::string> request;
    while (ReceiveRequest(&request)) {
      // version, request id, domain, address, routing id, mechanism, key
      const bool curve = request.size() == 7 && request[5] == "CURVE" && request[6].size() == 32;
      std::array<char, 41> key{};
      if (curve) {
        const auto* bytes = reinterpret_cast<const uint8_t*>(request[6].data());
        zmq_z85_encode(key.data(), bytes, request[6].size());
      }
      const bool yes = curve && let_in(key.data());
      const std::string id = request.size() > 1 ? request[1] : "";
      const std::string user = yes ? key.data() : "";
      const std::array<std::string, 6> answer = {
          "1.0", id, yes ? "200" : "400", yes ? "OK" : "no such key", user, ""};
      for (size_t i = 0; i < answer.size(); ++i) {
        const auto more = i + 1 < answer.size() ? zmq::send_flags::sndmore : zmq::send_flags::none;
        door.send(zmq::buffer(answer[i]), more | zmq::send_flags::dontwait);
      }
    }
  }

  /// Reads the frames of libzmq's next request; false if there is none.
  bool ReceiveRequest(std::vector<std::string>* frames) {
    frames->clear();
    zmq::message_t frame;
    do {
      if (!door.recv(frame, zmq::recv_flags::dontwait)) return false;
      frames->push_back(frame.to_string());
    } while (frame.more());
    return true;
  }

  void LookAtInputs() {
    const auto now = std::chrono::steady_clock::now();
    if (inputs.empty() || now - inputs_looked_at < kLookAtInputs) return;
    inputs_looked_at = now;
    inputs.Look();
  }

  void StartMonitor() {
    const char* address = "inproc://connections";
    const int events = ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED;
    if (zmq_socket_monitor(socket.handle(), address, events) != 0) {
      throw zmq::error_t();
    }
    monitor.set(zmq::sockopt::linger, 0);
    // libzmq's own queue adds 1,000. When the queue is full, libzmq waits for this thread, and
    // accepts no connection meanwhile. See DescriptorsForConnections.
    monitor.set(zmq::sockopt::rcvhwm, 1);
    monitor.connect(address);
  }

  void TakeDescriptors() {
    socket_fd = socket.get(zmq::sockopt::fd);
    monitor_fd = monitor.get(zmq::sockopt::fd);
    if (door) door_fd = door.get(zmq::sockopt::fd);
  }

  bool HasMessage() { return !drained && (socket.get(zmq::sockopt::events) & ZMQ_POLLIN) != 0; }
};

Router::Router(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Router::~Router() = default;

const std::string& Router::endpoint() const { return impl_->endpoint; }

Result<std::unique_ptr<Router>> Router::Bind(const Endpoint& endpoint,
                                             const std::string& secret_key, Doorkeeper let_in) {
  // Only this user may access the socket file of an ipc endpoint, whatever the mode of its
  // directory.
  const mode_t umask_before = umask(0077);
  try {
    auto impl = std::make_unique<Impl>();
    zmq::socket_t& socket = impl->socket;
    socket.set(zmq::sockopt::router_mandatory, 1);
    socket.set(zmq::sockopt::maxmsgsize, kFrameBytesMax);
    socket.set(zmq::sockopt::sndhwm, kSendQueueMax);
    socket.set(zmq::sockopt::rcvhwm, kReceiveQueueMax);
    socket.set(zmq::sockopt::handshake_ivl, kHandshakeMs);
    socket.set(zmq::sockopt::linger, kLingerMs);
    socket.set(zmq::sockopt::backlog, kBacklog);
    socket.set(zmq::sockopt::tcp_keepalive, 1);
    // A machine that vanished is noticed after three minutes.
    socket.set(zmq::sockopt::tcp_keepalive_idle, 60);
    socket.set(zmq::sockopt::tcp_keepalive_intvl, 20);
    socket.set(zmq::sockopt::tcp_keepalive_cnt, 6);
    if (NeedsIpv6(endpoint)) socket.set(zmq::sockopt::ipv6, 1);
    if (!secret_key.empty()) impl->StartCurve(secret_key, std::move(let_in));
    socket.bind(endpoint.Text());
    impl->StartMonitor();
    impl->TakeDescriptors();
    impl->tcp = endpoint.Text().starts_with("tcp://");
    impl->endpoint = socket.get(zmq::sockopt::last_endpoint);
    umask(umask_before);
    return std::unique_ptr<Router>(new Router(std::move(impl)));
  } catch (const zmq::error_t& error) {
    umask(umask_before);
    const char* hint = error.num() == EADDRINUSE ? ": another program listens there" : "";
    return Error{ErrorCode::kIo,
                 fmt::format("cannot listen at {}: {}{}", endpoint.Text(), error.what(), hint)};
  }
}

bool Router::Wait(int wake_fd, Duration timeout) {
  // Rounded up: otherwise the thread would wake up a moment early, only to wait again.
  int64_t ms = timeout.ns < 0 ? -1 : (timeout.ns + 999'999) / 1'000'000;
  ms = std::min<int64_t>(ms, 3'600'000);
  if (!impl_->inputs.empty() && (ms < 0 || ms > kLookAtInputs.count())) ms = kLookAtInputs.count();
  // zmq_poll would ask each socket for its events, before and after: a system call each.
  std::array<pollfd, 4> fds = {{{impl_->socket_fd, POLLIN, 0},
                                {impl_->monitor_fd, POLLIN, 0},
                                {impl_->door_fd, POLLIN, 0},
                                {wake_fd, POLLIN, 0}}};
  try {
    if (impl_->HasMessage()) ms = 0;
    if (poll(fds.data(), fds.size(), static_cast<int>(ms)) < 0) return false;  // a signal
    impl_->LookAtInputs();
    if (fds[1].revents != 0) impl_->monitor_has_news = true;
    if (fds[2].revents != 0) impl_->AnswerDoor();
  } catch (const zmq::error_t& error) {
    if (error.num() != EINTR) throw;
  }
  return fds[3].revents != 0;
}

bool Router::Receive(const Handler& handler) {
  zmq::socket_t& socket = impl_->socket;
  try {
    impl_->drained = false;
    if (!socket.recv(impl_->routing_id, zmq::recv_flags::dontwait)) {
      impl_->drained = true;
      return false;
    }
    if (!socket.recv(impl_->payload, zmq::recv_flags::none)) return false;
    size_t frames = 1;
    for (zmq::message_t rest; impl_->payload.more() && socket.recv(rest);) {
      ++frames;
      if (!rest.more()) break;
    }
    if (impl_->inputs.doubts()) {
      impl_->inputs.Spoke(zmq_msg_get(impl_->payload.handle(), ZMQ_SRCFD));
    }
    handler(impl_->routing_id.to_string_view(),
            std::span<const char>(impl_->payload.data<char>(), impl_->payload.size()), frames);
    return true;
  } catch (const zmq::error_t& error) {
    if (error.num() != EINTR) throw;
    return true;
  }
}

std::string_view Router::SenderKey() const {
  const char* key = impl_->door ? zmq_msg_gets(impl_->payload.handle(), "User-Id") : nullptr;
  return key == nullptr ? "" : key;
}

void Router::WatchPeer(std::string_view routing_id) {
  const int fd = zmq_msg_get(impl_->payload.handle(), ZMQ_SRCFD);
  if (fd < 0) return;
  impl_->guard.Greeted(fd);
  const auto [begin, end] = impl_->peers_of.equal_range(fd);
  for (auto it = begin; it != end; ++it) {
    if (it->second == routing_id) return;
  }
  impl_->peers_of.emplace(fd, routing_id);
  impl_->descriptor_of[std::string(routing_id)] = fd;
}

size_t Router::Unread(const std::string& routing_id) const {
  const auto found = impl_->descriptor_of.find(routing_id);
  int bytes = 0;
  if (found == impl_->descriptor_of.end() || ioctl(found->second, SIOCOUTQ, &bytes) != 0) return 0;
  return static_cast<size_t>(std::max(bytes, 0));
}

void Router::ClosedPeers(std::vector<std::string>* routing_ids) {
  if (!std::exchange(impl_->monitor_has_news, false)) return;
  zmq::message_t event;
  zmq::message_t address;
  while (impl_->monitor.recv(event, zmq::recv_flags::dontwait)) {
    if (!impl_->monitor.recv(address) || event.size() != sizeof(uint16_t) + sizeof(int32_t)) break;
    uint16_t kind = 0;
    int32_t fd = 0;  // for these events, the value is the descriptor
    std::memcpy(&kind, event.data<char>(), sizeof(kind));
    std::memcpy(&fd, event.data<char>() + sizeof(kind), sizeof(fd));
    if (kind == ZMQ_EVENT_ACCEPTED) {
      impl_->guard.Opened(fd, DescriptorsForConnections());
      if (impl_->tcp) impl_->inputs.Opened(fd);
      continue;
    }
    impl_->guard.Closed(fd);
    impl_->inputs.Closed(fd);
    const auto [begin, end] = impl_->peers_of.equal_range(fd);
    for (auto it = begin; it != end; ++it) {
      impl_->descriptor_of.erase(it->second);
      routing_ids->push_back(std::move(it->second));
    }
    impl_->peers_of.erase(begin, end);
  }
}

Router::Cuts Router::cuts() const { return {impl_->guard.cut_count(), impl_->inputs.cut_count()}; }

Router::Sent Router::Send(std::string_view routing_id, std::span<const char> payload) {
  zmq::socket_t& socket = impl_->socket;
  impl_->drained = false;
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
