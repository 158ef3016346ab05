#pragma once

// Reading and writing access files, and the keys in them. The public part is in bellis/access.h.

#include <string>

#include "bellis/access.h"
#include "bellis/job_spec.h"
#include "bellis/result.h"

namespace bellis {

/// The roles of keys; broker/net/permissions.h says what each permits.
enum class AccessRole { kOwner, kLauncher, kWatcher, kWorker };
/// "owner", "launcher", "watcher", "worker".
const char* AccessRoleName(AccessRole role);

/// An access file as text (JSON).
std::string AccessText(const Access& access);
/// Parses the text of an access file. Errors name the field. Unknown keys are ignored.
Result<Access> AccessFromText(const std::string& text);

/// Errors, each naming the path: the file does not exist, is not private to this user (mode 0600),
/// or is not an access file.
Result<Access> ReadAccessFile(const std::string& path);
/// Writes the file, replacing an existing one.
Status WriteAccessFile(const std::string& path, const Access& access);

/// The variables for a worker's environment with which FindAccess returns `access`. They also make
/// it ignore a file that BELLIS_ACCESS names.
Environment AccessVariables(const Access& access);

}  // namespace bellis
