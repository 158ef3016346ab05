#include "broker/launcher/launcher_socket.h"

#include <fmt/format.h>

#include <span>

#include "common/endpoint.h"
#include "common/files/private_dir.h"
#include "common/host_address.h"

namespace bellis {
namespace {

// How long the last reports and `bye` may take to leave the process.
constexpr int kLingerMs = 1000;
// A larger frame cuts the connection (TRANSPORT.md "Sockets").
constexpr int64_t kFrameBytesMax = 16 << 20;

void ConfigureSocket(zmq::socket_t& dealer, const Endpoint& endpoint) {
  dealer.set(zmq::sockopt::linger, kLingerMs);
  dealer.set(zmq::sockopt::maxmsgsize, kFrameBytesMax);
  // No limit: a full queue would block the launcher, and the number of its workers bounds its
  // reports.
  dealer.set(zmq::sockopt::sndhwm, 0);
  dealer.set(zmq::sockopt::reconnect_ivl, 100);
  dealer.set(zmq::sockopt::reconnect_ivl_max, 2'000);
  // Notices that the broker's machine has vanished.
  dealer.set(zmq::sockopt::heartbeat_ivl, 10'000);
  dealer.set(zmq::sockopt::heartbeat_timeout, 60'000);
  dealer.set(zmq::sockopt::ipv6, NeedsIpv6(endpoint));
}

}  // namespace

Status LauncherSocket::Connect(const Access& access) {
  if (Status trusted = CheckSocketDir(access.endpoint); !trusted.ok()) return trusted;
  const Result<Endpoint> endpoint = ParseEndpoint(access.endpoint, EndpointUse::kConnect);
  if (!endpoint.ok()) return endpoint.error();
  try {
    ConfigureSocket(dealer_, *endpoint);
    watch_.emplace(context_, dealer_, endpoint->Text(), access.keys);
  } catch (const zmq::error_t& error) {
    return Error{ErrorCode::kIo,
                 fmt::format("cannot connect to {}: {}", access.endpoint, error.what())};
  }
  return OkStatus();
}

void LauncherSocket::Send(const Message& message) {
  const std::span<const char> bytes = codec_.Encode(message);
  dealer_.send(zmq::const_buffer(bytes.data(), bytes.size()), zmq::send_flags::dontwait);
}

LauncherSocket::Received LauncherSocket::Receive(zmq::message_t* frame) {
  if (!dealer_.recv(*frame, zmq::recv_flags::dontwait)) return Received::kNothing;
  if (!frame->more()) return Received::kFrame;
  while (frame->more() && dealer_.recv(*frame, zmq::recv_flags::none)) {
  }
  return Received::kSeveralFrames;
}

void LauncherSocket::LingerFor(Duration linger) {
  dealer_.set(zmq::sockopt::linger, static_cast<int>(linger.millis()));
}

}  // namespace bellis
