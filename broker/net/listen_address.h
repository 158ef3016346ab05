#pragma once

// Where a broker may listen, and how that is made safe (docs/ARCHITECTURE.md, "Who may connect").

#include <string>

#include "common/result.h"

namespace bellis {

/// Makes `path` as a directory that only this user may enter (0700, parents as needed), or checks
/// that it is one.
Status EnsurePrivateDir(const std::string& path);

/// Whether peers may be let in at this endpoint: ipc in a private directory, which is made; tcp
/// anywhere, since peers have to prove a key there.
Status CheckListenAddress(const std::string& endpoint);

/// Holds an ipc endpoint for one broker: libzmq itself would quietly take a socket over from a
/// broker that is running. Nothing is held for other transports.
class EndpointLock {
 public:
  static Result<EndpointLock> Take(const std::string& endpoint);
  EndpointLock(EndpointLock&& other) noexcept;
  EndpointLock& operator=(EndpointLock&& other) noexcept;
  ~EndpointLock();

 private:
  explicit EndpointLock(int fd) : fd_(fd) {}
  int fd_ = -1;
};

}  // namespace bellis
