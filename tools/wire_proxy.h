#pragma once

// Stands between peers and a broker, and passes on each message as it is:
//
//      peer 1 -+                    +- DEALER 1 -+
//      peer 2 -+- ROUTER, listens --+- DEALER 2 -+- broker
//
// Each peer has a connection of its own to the broker, which ends with the peer's: so the broker
// sees as many peers as there are. When the broker ends, the peers' connections stay.

#include <functional>
#include <memory>
#include <string>

#include "bellis/access.h"
#include "bellis/result.h"
#include "tools/wire_trace.h"

namespace bellis {

class WireProxy {
 public:
  /// Listens at `listen` ("tcp://HOST:0": at a free port), without encryption, for peers of the
  /// broker of `broker`, to which it connects with the keys that are there. Errors: no endpoint,
  /// or one where it cannot listen.
  static Result<std::unique_ptr<WireProxy>> Open(const std::string& listen, const Access& broker,
                                                 const TraceOptions& options);
  ~WireProxy();

  const std::string& endpoint() const;

  /// Passes on messages until `is_over` says so, which is asked about ten times a second, and after
  /// each signal; then, at most a second long, until all peers are gone.
  Status Run(const std::function<bool()>& is_over);

 private:
  class Impl;
  explicit WireProxy(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace bellis
