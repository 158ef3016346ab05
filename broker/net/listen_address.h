#pragma once

// Where a broker may listen, and how that is made safe (docs/ARCHITECTURE.md, "Who may connect").

#include <string>
#include <utility>

#include "bellis/result.h"
#include "common/endpoint.h"

namespace bellis {

/// Makes `path` as a directory that only this user may enter (0700, parents as needed), or checks
/// that it is one.
Status EnsurePrivateDir(const std::string& path);

/// Where to listen for `text`: an absolute path, or a numeric address of this machine. Looks names
/// up, and makes the directory of an ipc endpoint. Error: peers must not be let in there. They may
/// be on ipc in a private directory, and on tcp, where they prove a key.
Result<Endpoint> ListenAddress(const std::string& text);

/// What peers are told of a broker that listens at `bound`: `advertise` (a host) when there is one;
/// in place of every address, one of this machine; else the same.
Result<std::string> AdvertisedAddress(const std::string& bound, const std::string& advertise);

/// The warning of a broker that was asked to listen at `asked` and listens at `bound`: a name other
/// than localhost stands for the loopback, as Debian's /etc/hosts has it for a machine's own name.
/// Empty: no warning.
std::string LoopbackWarning(const std::string& asked, const std::string& bound);

/// Holds an ipc endpoint for one broker: libzmq itself would quietly take a socket over from a
/// broker that is running. Nothing is held for other transports.
class EndpointLock {
 public:
  static Result<EndpointLock> Take(const Endpoint& endpoint);
  EndpointLock(EndpointLock&& other) noexcept;
  EndpointLock& operator=(EndpointLock&& other) noexcept;
  ~EndpointLock();

  /// To be called when nobody listens there any more. libzmq leaves the socket's file behind, and a
  /// later peer would wait for a broker instead of hearing that there is none.
  void RemoveSocketFile();

 private:
  EndpointLock(int fd, std::string socket) : fd_(fd), socket_(std::move(socket)) {}
  int fd_ = -1;
  std::string socket_;  // the file; "" on tcp
};

}  // namespace bellis
