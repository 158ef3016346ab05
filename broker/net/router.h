#pragma once

// The broker's ROUTER socket: frames in, frames out, peers by the routing ids that libzmq made.
// One thread.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bellis/result.h"
#include "common/endpoint.h"
#include "common/time.h"

namespace bellis {

class Router {
 public:
  /// Larger frames cut the connection; between this and kMessageBytesMax they are only refused.
  static constexpr int64_t kFrameBytesMax = 2 << 20;
  /// A tcp connection that has sent so much since a message of it was read is doubted, and cut when
  /// it has sent as much again: see InputGuard.
  static constexpr uint64_t kUnreadInputMax = 4 * kFrameBytesMax;

  /// Whether a peer with this public key (Z85) is let in.
  using Doorkeeper = std::function<bool(std::string_view public_key)>;

  /// `endpoint`: a path, or a numeric address. With `secret_key` (Z85), peers must speak CURVE and
  /// know its public half, and `let_in` is asked about the key of each, from within Wait. Nobody
  /// else hears anything.
  static Result<std::unique_ptr<Router>> Bind(const Endpoint& endpoint,
                                              const std::string& secret_key = "",
                                              Doorkeeper let_in = nullptr);
  ~Router();
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  /// Where it listens, with the real port.
  const std::string& endpoint() const;

  /// Waits until a message is there, `wake_fd` is readable, or `timeout` has passed (< 0: for
  /// ever).
  void Wait(int wake_fd, Duration timeout);

  /// `frames`: how many frames the message has, besides libzmq's own; a peer may send one.
  using Handler = std::function<void(std::string_view routing_id, std::span<const char> payload,
                                     size_t frames)>;
  /// Hands the next message that is there to `handler`, its first frame as `payload`; false when
  /// there is none.
  bool Receive(const Handler& handler);

  /// To be called by the handler: the public key (Z85) of who sent the message; "" without CURVE.
  std::string_view SenderKey() const;

  /// To be called by the handler, once for each peer that counts: ClosedPeers will name it.
  void WatchPeer(std::string_view routing_id);
  /// Bytes that the system holds for a watched peer, sent and not yet read by it; 0: none, or it is
  /// not known. (What libzmq holds beyond is not told.) Cost: a system call.
  size_t Unread(const std::string& routing_id) const;
  /// Adds the watched peers whose connection may have ended since the last call; whether it has,
  /// only sending to them tells. Wait returns when there are some.
  void ClosedPeers(std::vector<std::string>* routing_ids);

  /// How many connections were cut so far.
  struct Cuts {
    uint64_t silent = 0;    // because descriptors ran out
    uint64_t unending = 0;  // because what they sent held no end of a message
  };
  Cuts cuts() const;

  enum class Sent { kYes, kUnroutable, kFull };
  Sent Send(std::string_view routing_id, std::span<const char> payload);

 private:
  struct Impl;
  explicit Router(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace bellis
