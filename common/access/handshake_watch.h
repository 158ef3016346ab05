#pragma once

// A DEALER that speaks CURVE, and recovers from an impostor that answers in its broker's place.
//
// libzmq gives an endpoint up for good once a handshake there was against the protocol, as with an
// impostor who does not speak CURVE. So the handshakes are watched, and the endpoint is opened
// again after a failed handshake, and after a while without any.

#include <optional>
#include <string>
#include <zmq.hpp>

#include "common/access/access.h"
#include "common/time.h"

namespace bellis {

/// Belongs to the socket's thread. Borrows the socket.
class HandshakeWatch {
 public:
  /// Connects `socket` to `endpoint`; with `keys`, so that nothing is sent to anybody who does not
  /// prove to have the broker's secret key. Throws zmq::error_t.
  HandshakeWatch(zmq::context_t& context, zmq::socket_t& socket, std::string endpoint,
                 const CurveKeys& keys);

  /// To be called now and then, best whenever there is no message (it costs a system call, none
  /// without keys). True: the endpoint was opened again just now, and what had been sent is lost.
  bool Reopen();

  /// For a loop that polls: readable when there is news for Reopen; null without keys. And when to
  /// call it if there is none.
  void* handle() { return monitor_ ? monitor_->handle() : nullptr; }
  Instant next_deadline() const { return reopen_at_; }

  /// For one that does not: how often at least Reopen is to be called.
  static constexpr Duration kInterval = Duration::Millis(100);
  bool watches() const { return monitor_.has_value(); }

  /// What was wrong at the endpoint last, for the end of a sentence; empty: nothing is known.
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
