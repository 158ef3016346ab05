#pragma once

// Makes a DEALER socket with CURVE recover after an impostor has answered in the broker's place.
//
// libzmq gives up an endpoint for good after a handshake that violates the protocol, as with an
// impostor that does not speak CURVE. So this class watches the handshakes, and opens the endpoint
// again after a failed handshake, or after some time without any.

#include <optional>
#include <string>
#include <zmq.hpp>

#include "common/access/access.h"
#include "common/time.h"

namespace bellis {

/// Belongs to the socket's thread. Borrows the socket.
class HandshakeWatch {
 public:
  /// Connects `socket` to `endpoint`. With `keys`, nothing is sent to a peer that does not prove
  /// that it has the broker's secret key. Throws zmq::error_t.
  HandshakeWatch(zmq::context_t& context, zmq::socket_t& socket, std::string endpoint,
                 const CurveKeys& keys);

  /// Must be called now and then, best whenever there is no message. It costs a system call, or
  /// none without keys. Returns true if it has opened the endpoint again; messages sent before are
  /// lost.
  bool Reopen();

  /// Opens the endpoint again, with or without keys. Messages that were sent before and did not
  /// leave are lost. Throws zmq::error_t.
  void ReopenNow();

  /// For a loop that polls: the socket that is readable when Reopen must be called (null without
  /// keys), and the time at which to call it otherwise.
  void* handle() { return monitor_ ? monitor_->handle() : nullptr; }
  Instant next_deadline() const { return reopen_at_; }

  /// For a loop that does not poll: the longest interval between two calls of Reopen.
  static constexpr Duration kInterval = Duration::Millis(100);
  bool watches() const { return monitor_.has_value(); }

  /// What was wrong at the endpoint last, as the end of a sentence; empty: nothing is known.
  const std::string& trouble() const { return trouble_; }

 private:
  void Hear();

  zmq::socket_t& socket_;
  const std::string endpoint_;
  std::optional<zmq::socket_t> monitor_;
  std::string trouble_;
  Instant reopen_at_ = Instant::Never();
  Duration pause_;
};

}  // namespace bellis
