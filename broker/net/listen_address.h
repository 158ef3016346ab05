#pragma once

// Where a broker may listen safely (docs/ARCHITECTURE.md, "Who may connect").

#include <string>
#include <utility>

#include "bellis/result.h"
#include "common/endpoint.h"

namespace bellis {

/// Makes the directory `path`, which only this user may enter (0700, parents as needed), or checks
/// that it is such a directory.
Status EnsurePrivateDir(const std::string& path);

/// The endpoint that `text` means, with an absolute path, or with a numeric address of this
/// machine. Looks up names, and makes the directory of an ipc endpoint. Error: it would not be safe
/// to let peers in there. Safe are ipc in a private directory, and tcp, where peers prove a key.
Result<Endpoint> ListenAddress(const std::string& text);

/// The endpoint that peers are told, for a broker that listens at `bound`. The host is `advertise`,
/// if that is not empty. Otherwise a wildcard address is replaced by an address of this machine,
/// and any other host stays as it is.
Result<std::string> AdvertisedAddress(const std::string& bound, const std::string& advertise);

/// A warning for a broker that was asked to listen at `asked` and listens at `bound`, if the name
/// in `asked` (other than localhost) stands for the loopback, as a machine's own name does in
/// Debian's /etc/hosts. Empty: no warning.
std::string LoopbackWarning(const std::string& asked, const std::string& bound);

/// Locks an ipc endpoint for one broker, since libzmq itself would silently take over the socket of
/// a running broker. Other transports need no lock.
class EndpointLock {
 public:
  static Result<EndpointLock> Take(const Endpoint& endpoint);
  EndpointLock(EndpointLock&& other) noexcept;
  EndpointLock& operator=(EndpointLock&& other) noexcept;
  ~EndpointLock();

  /// Must be called when nobody listens there any more. libzmq leaves the socket's file behind, and
  /// a later peer would wait for a broker instead of failing at once.
  void RemoveSocketFile();

 private:
  EndpointLock(int fd, std::string socket) : fd_(fd), socket_(std::move(socket)) {}
  int fd_ = -1;
  std::string socket_;  // the file; "" on tcp
};

}  // namespace bellis
