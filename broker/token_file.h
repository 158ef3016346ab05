#pragma once

#include <string>

#include "common/result.h"

namespace bellis {

/// The token in the file at `path`: its first line. A file that is not there is made (mode 0600,
/// 256 random bits) when `create`. Errors: one that others may read, an empty one.
Result<std::string> ReadTokenFile(const std::string& path, bool create);

}  // namespace bellis
