#pragma once

// The launcher's connection to the broker: a DEALER socket that never blocks.

#include <optional>
#include <zmq.hpp>

#include "bellis/result.h"
#include "common/access/access.h"
#include "common/access/handshake_watch.h"
#include "common/protocol/codec.h"
#include "common/time.h"

namespace bellis {

class LauncherSocket {
 public:
  enum class Received { kNothing, kFrame, kSeveralFrames };

  /// Errors: an endpoint that is none, or whose directory others may enter; what libzmq refuses.
  Status Connect(const Access& access);

  /// What is sent is bounded by the workers that there are.
  void Send(const Message& message);
  /// The next message. A message of several frames is read and left out: this protocol has one
  /// frame.
  Received Receive(zmq::message_t* frame);
  /// How long sent messages may still leave the process after the socket is closed.
  void LingerFor(Duration linger);

  /// Requires that Connect was called.
  HandshakeWatch& watch() { return *watch_; }
  void* handle() { return dealer_.handle(); }
  Codec& codec() { return codec_; }

 private:
  zmq::context_t context_;
  zmq::socket_t dealer_{context_, zmq::socket_type::dealer};
  std::optional<HandshakeWatch> watch_;  // once connected
  Codec codec_;
};

}  // namespace bellis
