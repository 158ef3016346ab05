#pragma once

// The broker's ROUTER socket. It receives and sends frames, and names peers by libzmq's routing
// ids. Used by one thread.

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
  /// A larger frame cuts the connection. A frame above kMessageBytesMax, but below this, is only
  /// refused.
  static constexpr int64_t kFrameBytesMax = 2 << 20;
  /// A tcp connection that has sent this much since its last message was read is doubted, and is
  /// cut when it has sent as much again: see InputGuard.
  static constexpr uint64_t kUnreadInputMax = 4 * kFrameBytesMax;

  /// Whether a peer with this public key (Z85) is let in.
  using Doorkeeper = std::function<bool(std::string_view public_key)>;

  /// `endpoint`: a path, or a numeric address. With `secret_key` (Z85), peers must speak CURVE and
  /// know the public key that belongs to it, and Wait asks `let_in` about each peer's key. Other
  /// peers get no answer.
  static Result<std::unique_ptr<Router>> Bind(const Endpoint& endpoint,
                                              const std::string& secret_key = "",
                                              Doorkeeper let_in = nullptr);
  ~Router();
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  /// The endpoint at which it listens, with the actual port.
  const std::string& endpoint() const;

  /// Waits until there is a message, `wake_fd` is readable, or `timeout` has passed (< 0: never).
  /// Returns whether `wake_fd` is readable. Cost: one system call, and one more if something was
  /// sent since the last message was received.
  bool Wait(int wake_fd, Duration timeout);

  /// `frames`: how many frames the message has, without libzmq's own; peers may send only one.
  using Handler = std::function<void(std::string_view routing_id, std::span<const char> payload,
                                     size_t frames)>;
  /// Passes the next message to `handler`, with its first frame as `payload`; false if there is
  /// none.
  bool Receive(const Handler& handler);

  /// The public key (Z85) of the message's sender; "" without CURVE. Only the handler may call
  /// this.
  std::string_view SenderKey() const;

  /// Has ClosedPeers name this peer when its connection ends. Only the handler may call this, once
  /// for each peer whose hello was accepted.
  void WatchPeer(std::string_view routing_id);
  /// How many bytes were sent to a watched peer, but not read by it yet, as far as the system holds
  /// them; 0: none, or unknown. (libzmq may hold more.) Cost: a system call.
  size_t Unread(const std::string& routing_id) const;
  /// Adds the watched peers whose connection may have ended before the last Wait. Only sending to
  /// them shows whether it has. Wait returns when there are any. Cost: nothing if there are none.
  void ClosedPeers(std::vector<std::string>* routing_ids);

  /// How many connections were cut so far, by reason.
  struct Cuts {
    uint64_t silent = 0;    // said no hello, and descriptors ran out
    uint64_t unending = 0;  // sent too much without the end of a message
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
