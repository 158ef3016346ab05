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

  /// Errors: an invalid endpoint, one whose directory other users may enter, or one that libzmq
  /// refuses.
  Status Connect(const Access& access);

  /// Queues the message. The number of workers bounds how many are queued.
  void Send(const Message& message);
  /// Takes the next message. A message of several frames is read and dropped: in this protocol, a
  /// message is one frame.
  Received Receive(zmq::message_t* frame);
  /// How long closing the socket waits for queued messages to leave the process.
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
