#pragma once

// What a client must have to talk to a broker: where it is, and what proves each to the other.
//
// On tcp both have a pair of CURVE keys (Z85, 40 characters each): nobody without the broker's
// secret key is taken for the broker, and nobody without a key that it knows is let in. Where there
// is no encryption (ipc, --insecure) a token takes the place of the key pair. A broker on tcp
// writes all of this into its access file, which only its owner can read.
//
// Example:
//
//     const bellis::Result<bellis::Access> access = bellis::FindAccess("");
//     if (!access) std::cerr << access.error().message << "\n";
//     return access.ok() ? 0 : 1;

#include <string>

#include "bellis/export.h"
#include "bellis/result.h"

namespace bellis {

/// All empty: no CURVE.
struct CurveKeys {
  std::string server_key;  // the broker's public one
  std::string public_key;
  std::string secret_key;
  bool empty() const { return server_key.empty(); }
  bool operator==(const CurveKeys&) const = default;
};

struct Access {
  std::string endpoint;  // "ipc://PATH" or "tcp://HOST:PORT"; empty: not said
  std::string role;
  std::string job;  // of a worker's key
  CurveKeys keys;
  std::string token;
  bool operator==(const Access&) const = default;
};

/// From BELLIS_SERVER_KEY, BELLIS_PUBLIC_KEY and BELLIS_SECRET_KEY, and BELLIS_TOKEN; else from the
/// file at `path`, or, where that is empty, the one that BELLIS_ACCESS names. A `path` that is
/// given goes before all variables. Nothing of all that: all empty.
/// Errors, each naming the path: no such file, one that is not ours alone (mode 0600), not an
/// access file. Cost: reads the file; nobody is asked over the network.
BELLIS_API Result<Access> FindAccess(const std::string& path);

}  // namespace bellis
