#pragma once

// The name of the folder with the logs of a job's workers.

#include <cstdint>
#include <string>
#include <string_view>

namespace bellis {

/// A name such as 2026-11-27T030507Z_smooth-1_k3x9: the time of the submit in UTC, the job's id,
/// and a `tag` that differs between brokers that share a log directory. So names of folders sort by
/// time. Characters that cannot be in a name, or are special in a shell, become '_'; a long id is
/// cut. Empty without a tag or a time.
std::string RunName(uint32_t unix_seconds, std::string_view job, std::string_view tag);

}  // namespace bellis
