#pragma once

// What the folder is called that the logs of a job's workers lie in.

#include <cstdint>
#include <string>
#include <string_view>

namespace bellis {

/// 2026-11-27T030507Z_smooth-1_k3x9: when the job was submitted, in UTC, its id, and a `tag` that
/// tells brokers apart which share a log directory; so names of folders sort by time. What could
/// not stand in a name, or looks odd in a shell, is written '_'; a long id is cut. Empty without a
/// tag or a time.
std::string RunName(uint32_t unix_seconds, std::string_view job, std::string_view tag);

}  // namespace bellis
