#pragma once

// What a client needs to talk to a broker: the endpoint, and the keys with which each proves its
// identity to the other.
//
// On tcp both have a pair of CURVE keys (Z85, 40 characters each): a program without the broker's
// secret key is not taken for the broker, and the broker refuses peers without a key that it knows.
// Without encryption (ipc, --insecure) a token takes the place of the key pair. A broker on tcp
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

/// The keys of a CURVE connection. All empty: no CURVE.
struct CurveKeys {
  std::string server_key;  // the broker's public one
  std::string public_key;
  std::string secret_key;
  bool empty() const { return server_key.empty(); }
  bool operator==(const CurveKeys&) const = default;
};

struct Access {
  std::string endpoint;  // "ipc://PATH" or "tcp://HOST:PORT"; empty: not given
  std::string role;
  std::string job;  // of a worker's key
  CurveKeys keys;
  std::string token;
  bool operator==(const Access&) const = default;
};

/// Finds the access to a broker. If `path` is not empty, it is read from that file. Otherwise it is
/// taken from BELLIS_SERVER_KEY, BELLIS_PUBLIC_KEY, BELLIS_SECRET_KEY and BELLIS_TOKEN, else from
/// the file that BELLIS_ACCESS names. If there is none of these, all fields are empty. Errors, each
/// naming the path: the file does not exist, is not private to this user (mode 0600), or is not an
/// access file. Cost: reads the file; does not use the network.
BELLIS_API Result<Access> FindAccess(const std::string& path);

}  // namespace bellis
