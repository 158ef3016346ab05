#pragma once

// The broker's end of the connections: a ROUTER socket behind a BadNetwork.

#include <memory>
#include <optional>
#include <string>

#include "bellis/job_spec.h"
#include "bellis/result.h"
#include "common/time.h"
#include "tools/conformance/bad_network.h"

namespace bellis::conformance {

/// The monotonic clock by which all is measured. It goes on while the machine sleeps.
Instant Now();

/// Belongs to one thread.
class Wire {
 public:
  struct Options {
    bool ipc = false;
    bool keys = false;  // CURVE
  };
  static Result<std::unique_ptr<Wire>> Make(const Options& options);
  ~Wire();

  /// BELLIS_ENDPOINT, and the keys if there are any.
  Environment Variables() const;
  BadNetwork& network();

  /// The broker's process ends: its socket knows no connection any more, nothing listens.
  void Close();
  /// A broker is there (again).
  void Open();

  struct Received {
    std::string peer;   // names the connection; a connection that is made again has another name
    std::string bytes;  // of the first frame
    size_t frames = 1;
  };
  /// Passes bytes on, and waits for a message, until `until`, or until `other_fd` is readable (-1:
  /// none). It may return nullopt sooner.
  std::optional<Received> Receive(Instant until, int other_fd);

  void Send(const std::string& peer, const std::string& bytes);

 private:
  struct Sockets;
  explicit Wire(std::unique_ptr<Sockets> sockets);
  std::optional<Received> ReceiveNow();

  std::unique_ptr<Sockets> sockets_;
};

}  // namespace bellis::conformance
