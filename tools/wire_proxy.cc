#include "tools/wire_proxy.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <set>
#include <vector>
#include <zmq.hpp>

#include "client/cpp/connection.h"
#include "common/endpoint.h"
#include "common/files/private_dir.h"
#include "common/host_address.h"

namespace bellis {
namespace {

constexpr long kTickMs = 100;
constexpr int kLingerMs = 1'000;
constexpr Duration kLastWords = Duration::Seconds(1);
constexpr const char* kMonitor = "inproc://peers";

using Frames = std::vector<zmq::message_t>;

/// The next message without waiting; no frames: there is none.
Frames ReceiveNow(zmq::socket_t& socket) {
  Frames frames;
  do {
    zmq::message_t frame;
    const auto flags = frames.empty() ? zmq::recv_flags::dontwait : zmq::recv_flags::none;
    if (!socket.recv(frame, flags)) break;
    frames.push_back(std::move(frame));
  } while (frames.back().more());
  return frames;
}

void Send(zmq::socket_t& socket, Frames& frames, size_t first) {
  for (size_t i = first; i < frames.size(); ++i) {
    const auto more = i + 1 < frames.size() ? zmq::send_flags::sndmore : zmq::send_flags::none;
    socket.send(frames[i], more);
  }
}

/// What Send takes over, for the trace.
std::vector<char> BytesOf(const Frames& frames, size_t first) {
  std::vector<char> bytes;
  for (size_t i = first; i < frames.size(); ++i) {
    const char* begin = frames[i].data<char>();
    bytes.insert(bytes.end(), begin, begin + frames[i].size());
  }
  return bytes;
}

}  // namespace

class WireProxy::Impl {
 public:
  Impl(const Access& broker, const TraceOptions& options) : broker_(broker), trace_(options) {}

  Status Listen(const Endpoint& endpoint);
  const std::string& endpoint() const { return endpoint_; }
  Status Run(const std::function<bool()>& is_over);

 private:
  struct Peer {
    int number = 0;
    int descriptor = -1;  // of its connection to the proxy
    zmq::socket_t broker;
  };

  Peer& PeerOf(Frames& frames);
  /// The oldest peer with that descriptor, whose number may have been used again; 0: none.
  int NumberOf(int descriptor) const;
  void Wait();
  void PassToBroker();
  void PassToPeers();
  void ForgetPeers();

  const Access broker_;
  WireTrace trace_;
  std::string endpoint_;
  zmq::context_t context_;
  zmq::socket_t router_{context_, zmq::socket_type::router};
  zmq::socket_t monitor_{context_, zmq::socket_type::pair};
  std::map<std::string, Peer> peers_;  // by routing id
  int last_number_ = 0;
};

Status WireProxy::Impl::Listen(const Endpoint& endpoint) {
  const mode_t umask_before = ::umask(0077);  // nobody else may use the socket of an ipc endpoint
  try {
    router_.set(zmq::sockopt::linger, kLingerMs);
    router_.set(zmq::sockopt::sndhwm, 0);  // what it has read it can pass on
    router_.set(zmq::sockopt::ipv6, NeedsIpv6(endpoint));
    if (zmq_socket_monitor(router_.handle(), kMonitor, ZMQ_EVENT_DISCONNECTED) != 0) {
      throw zmq::error_t();
    }
    monitor_.set(zmq::sockopt::linger, 0);
    monitor_.connect(kMonitor);
    router_.bind(endpoint.Text());
    endpoint_ = router_.get(zmq::sockopt::last_endpoint);
  } catch (const zmq::error_t& error) {
    ::umask(umask_before);
    return Error{ErrorCode::kIo, "cannot listen at " + endpoint.Text() + ": " + error.what()};
  }
  ::umask(umask_before);
  return OkStatus();
}

WireProxy::Impl::Peer& WireProxy::Impl::PeerOf(Frames& frames) {
  const auto [entry, is_new] = peers_.try_emplace(frames[0].to_string());
  Peer& peer = entry->second;
  if (is_new) {
    peer.number = ++last_number_;
    peer.broker = zmq::socket_t(context_, zmq::socket_type::dealer);
    peer.broker.set(zmq::sockopt::linger, kLingerMs);
    peer.broker.set(zmq::sockopt::sndhwm, 0);
    peer.broker.set(zmq::sockopt::ipv6, broker_.endpoint.find('[') != std::string::npos);
    if (!broker_.keys.empty()) {
      peer.broker.set(zmq::sockopt::curve_serverkey, broker_.keys.server_key);
      peer.broker.set(zmq::sockopt::curve_publickey, broker_.keys.public_key);
      peer.broker.set(zmq::sockopt::curve_secretkey, broker_.keys.secret_key);
    }
    peer.broker.connect(broker_.endpoint);
  }
  peer.descriptor = zmq_msg_get(frames.back().handle(), ZMQ_SRCFD);
  return peer;
}

int WireProxy::Impl::NumberOf(int descriptor) const {
  int number = 0;
  for (const auto& [routing_id, peer] : peers_) {
    if (peer.descriptor == descriptor && (number == 0 || peer.number < number)) {
      number = peer.number;
    }
  }
  return number;
}

void WireProxy::Impl::PassToBroker() {
  for (Frames frames = ReceiveNow(router_); !frames.empty(); frames = ReceiveNow(router_)) {
    Peer& peer = PeerOf(frames);
    const std::vector<char> bytes = BytesOf(frames, 1);
    trace_.Message(peer.number, Direction::kToBroker, bytes, static_cast<int>(frames.size()) - 1);
    Send(peer.broker, frames, 1);
  }
}

void WireProxy::Impl::PassToPeers() {
  for (auto& [routing_id, peer] : peers_) {
    for (Frames frames = ReceiveNow(peer.broker); !frames.empty();
         frames = ReceiveNow(peer.broker)) {
      const std::vector<char> bytes = BytesOf(frames, 0);
      trace_.Message(peer.number, Direction::kFromBroker, bytes, static_cast<int>(frames.size()));
      router_.send(zmq::buffer(routing_id), zmq::send_flags::sndmore);
      Send(router_, frames, 0);
    }
  }
}

/// A connection that is closed has no more messages than those that have arrived.
void WireProxy::Impl::ForgetPeers() {
  std::set<int> gone;
  for (Frames event = ReceiveNow(monitor_); !event.empty(); event = ReceiveNow(monitor_)) {
    // The first frame: the event (16 bits), and its value, here a descriptor (32 bits).
    int32_t descriptor = 0;
    if (event[0].size() < sizeof(uint16_t) + sizeof descriptor) continue;
    std::memcpy(&descriptor, event[0].data<char>() + sizeof(uint16_t), sizeof descriptor);
    if (const int number = NumberOf(descriptor); number > 0) gone.insert(number);
  }
  if (gone.empty()) return;
  PassToBroker();
  std::erase_if(peers_, [&](const auto& entry) { return gone.contains(entry.second.number); });
  for (const int number : gone) trace_.Gone(number);
}

/// Until a message is there, or for a tick.
void WireProxy::Impl::Wait() {
  std::vector<zmq_pollitem_t> items = {{router_.handle(), 0, ZMQ_POLLIN, 0},
                                       {monitor_.handle(), 0, ZMQ_POLLIN, 0}};
  for (auto& [routing_id, peer] : peers_) {
    items.push_back({peer.broker.handle(), 0, ZMQ_POLLIN, 0});
  }
  if (zmq_poll(items.data(), static_cast<int>(items.size()), kTickMs) < 0 && errno != EINTR) {
    throw zmq::error_t();
  }
}

Status WireProxy::Impl::Run(const std::function<bool()>& is_over) {
  Instant until = Instant::Never();
  for (;;) {
    try {
      Wait();
      PassToBroker();
      PassToPeers();
      ForgetPeers();
    } catch (const zmq::error_t& error) {
      if (error.num() != EINTR) return Error{ErrorCode::kIo, std::string("proxy: ") + error.what()};
    }
    if (until == Instant::Never() && is_over()) until = ClientNow() + kLastWords;
    if (until == Instant::Never()) continue;
    if (peers_.empty() || ClientNow() >= until) return OkStatus();
  }
}

WireProxy::WireProxy(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
WireProxy::~WireProxy() = default;

Result<std::unique_ptr<WireProxy>> WireProxy::Open(const std::string& listen, const Access& broker,
                                                   const TraceOptions& options) {
  const Result<Endpoint> at = ParseEndpoint(listen, EndpointUse::kListen, "--listen");
  if (!at.ok()) return at.error();
  const Result<Endpoint> to = ParseEndpoint(broker.endpoint, EndpointUse::kConnect);
  if (!to.ok()) return to.error();
  if (const Status trusted = CheckSocketDir(to->Text()); !trusted.ok()) return trusted.error();
  auto impl = std::make_unique<Impl>(broker, options);
  if (const Status listens = impl->Listen(*at); !listens.ok()) return listens.error();
  return std::unique_ptr<WireProxy>(new WireProxy(std::move(impl)));
}

const std::string& WireProxy::endpoint() const { return impl_->endpoint(); }

Status WireProxy::Run(const std::function<bool()>& is_over) { return impl_->Run(is_over); }

}  // namespace bellis
