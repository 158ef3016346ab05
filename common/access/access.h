#pragma once

// What a peer must have to talk to a broker: where it is, and what proves each to the other.
//
// On tcp both have a pair of CURVE keys (Z85, 40 characters each): nobody without the broker's
// secret key is taken for the broker, and nobody without a key that it knows is let in. Where there
// is no encryption (ipc, --insecure) a token takes the place of the key pair.

#include <optional>
#include <string>

#include "common/result.h"
#include "common/task/job_spec.h"

namespace bellis {

/// What the holder of a key may do (broker/net/permissions.h).
enum class AccessRole { kOwner, kLauncher, kWatcher, kWorker };
/// "owner", "launcher", "watcher", "worker".
const char* AccessRoleName(AccessRole role);

/// All empty: no CURVE.
struct CurveKeys {
  std::string server_key;  // the broker's public one
  std::string public_key;
  std::string secret_key;
  bool empty() const { return server_key.empty(); }
  bool operator==(const CurveKeys&) const = default;
};

struct Access {
  std::string endpoint;  // empty: not said
  std::string role;
  std::string job;  // of a worker's key
  CurveKeys keys;
  std::string token;
  bool operator==(const Access&) const = default;
};

/// An access file as text (JSON).
std::string AccessText(const Access& access);
/// Errors name the field. Keys that are not known are ignored.
Result<Access> AccessFromText(const std::string& text);

/// Errors, each naming the path: no such file, one that is not ours alone (mode 0600), not an
/// access file.
Result<Access> ReadAccessFile(const std::string& path);
/// Replaces what is there.
Status WriteAccessFile(const std::string& path, const Access& access);

/// From BELLIS_SERVER_KEY, BELLIS_PUBLIC_KEY and BELLIS_SECRET_KEY, and BELLIS_TOKEN; else from the
/// file at `path`, or, where that is empty, the one that BELLIS_ACCESS names. A `path` that is
/// given goes before all variables. Nothing of all that: all empty.
Result<Access> FindAccess(const std::string& path);

/// Those variables as a worker's environment needs them, to connect with `access`. They also say
/// that a file which BELLIS_ACCESS names does not count.
Environment AccessVariables(const Access& access);

}  // namespace bellis
