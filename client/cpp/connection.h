#pragma once

// One DEALER socket to a broker, and the codec: messages in, messages out. What workers and
// clients have in common; it knows nothing of who says what when.
//
// The socket belongs to the thread that uses the connection. (Heartbeats have a socket and a thread
// of their own: one that is shared is neither safe nor, while user code computes, alive.)

#include <memory>
#include <optional>
#include <string>

#include "bellis/result.h"
#include "common/access/access.h"
#include "common/protocol/messages.h"
#include "common/time.h"

namespace bellis {

/// The monotonic clock that the client library goes by.
Instant ClientNow();

class Connection {
 public:
  /// Starts to connect, in the background; a broker that is not there yet is tried again and
  /// again. With `keys`, what does not prove to be the broker is told nothing.
  /// Error: an endpoint that is none, or no socket to be had.
  static Result<Connection> Open(const std::string& endpoint, const CurveKeys& keys = {});

  Connection(Connection&&) noexcept;
  Connection& operator=(Connection&&) noexcept;
  /// As Close(1 s).
  ~Connection();

  /// Queues the message and returns; what the broker does not take while it is away waits.
  /// Errors, with nothing sent: kTooLarge; kTimeout when the queue is full.
  Status Send(const Message& message);

  /// The next message. nullopt when `timeout` passed, or earlier when a signal came.
  /// Kinds that we do not know are passed over. Errors: bytes that are no message; the system.
  /// Fastest when every call has the same timeout. When something else had answered in the
  /// broker's place, what was sent may be lost: a hello is said again, and after a welcome an error
  /// kHelloFirst is returned, as if the broker had said it.
  Result<std::optional<Message>> Receive(Duration timeout);

  /// Opens the endpoint again: the connection may be one that nobody holds at the other end. What
  /// was sent and has not left is lost. A hello must follow. Error: the system.
  Status Reopen();

  /// What is known of who answers in the broker's place, for the end of a sentence; often "".
  std::string Trouble() const;

  /// Waits until Receive would return at once, `fd` (-1: none) is readable, or `timeout` has
  /// passed. Returns whether a message is there.
  bool Wait(Duration timeout, int fd);

  /// Waits at most `linger` until what was sent has left the process. Nothing may follow.
  void Close(Duration linger);

  /// In a forked child: leaves the socket alone, which is the parent's. Nothing may follow.
  void Abandon();

 private:
  struct Impl;
  explicit Connection(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace bellis
