#pragma once

// Access files and the keys in them, for those that write or read them. What users see of this is
// in bellis/access.h.

#include <string>

#include "bellis/access.h"
#include "bellis/job_spec.h"
#include "bellis/result.h"

namespace bellis {

/// What the holder of a key may do (broker/net/permissions.h).
enum class AccessRole { kOwner, kLauncher, kWatcher, kWorker };
/// "owner", "launcher", "watcher", "worker".
const char* AccessRoleName(AccessRole role);

/// An access file as text (JSON).
std::string AccessText(const Access& access);
/// Errors name the field. Keys that are not known are ignored.
Result<Access> AccessFromText(const std::string& text);

/// Errors, each naming the path: no such file, one that is not ours alone (mode 0600), not an
/// access file.
Result<Access> ReadAccessFile(const std::string& path);
/// Replaces what is there.
Status WriteAccessFile(const std::string& path, const Access& access);

/// The variables that FindAccess reads, as a worker's environment needs them, to connect with
/// `access`. They also say that a file which BELLIS_ACCESS names does not count.
Environment AccessVariables(const Access& access);

}  // namespace bellis
