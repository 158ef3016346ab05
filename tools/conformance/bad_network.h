#pragma once

// The network between a worker and the broker that tests it: an address that the worker connects
// to, and bytes that are passed on, held back, or lost.
//
//     worker ---- link ----> BadNetwork ----> broker's socket
//
// The worker's address stays the same when the broker's socket is replaced by another one.

#include <poll.h>

#include <list>
#include <string>
#include <vector>

#include "bellis/result.h"
#include "common/files/fd.h"

namespace bellis::conformance {

/// Belongs to one thread. Bytes are passed on only while Pass runs.
class BadNetwork {
 public:
  /// Listens on a port of loopback, or on the socket file `ipc_path` if that is not empty.
  static Result<BadNetwork> Listen(const std::string& ipc_path);

  /// The endpoint to which the worker connects.
  const std::string& endpoint() const { return endpoint_; }
  /// From now on new links lead to this port of loopback; 0: they are closed at once, as if no
  /// broker was there.
  void LeadTo(int port) { port_ = port; }

  /// Closes all links, with a reset. What was on its way is lost.
  void Cut();
  /// All links of now stay open, and not a byte passes any more. Links that come are not held.
  void Hold();
  /// The next bytes for the worker are passed on by half; then all links are cut.
  void CutInTheNextFrame() { cut_next_ = true; }

  /// Adds what to wait for before Pass.
  void AddTo(std::vector<pollfd>* waits) const;
  /// Accepts, and moves all bytes that can be moved now.
  void Pass();

 private:
  struct Link {
    Fd worker;
    Fd broker;
    std::string to_broker;
    std::string to_worker;
    bool worker_ended = false;
    bool broker_ended = false;
    bool held = false;
  };

  BadNetwork(Fd listening, std::string endpoint)
      : listening_(std::move(listening)), endpoint_(std::move(endpoint)) {}
  void Accept();
  /// False: the link is over.
  bool PassOn(Link* link);

  Fd listening_;
  std::string endpoint_;
  int port_ = 0;
  bool cut_next_ = false;
  std::list<Link> links_;
};

}  // namespace bellis::conformance
