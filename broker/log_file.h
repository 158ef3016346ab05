#pragma once

// The log file of bellis-broker, which a HUP signal reopens.

#include <memory>
#include <string>

#include "bellis/result.h"

namespace spdlog::sinks {
class sink;
}

namespace bellis {

/// A sink that appends to the file at `path` (OpenLogFile says which files). After a call of
/// ReopenLogFiles the next line opens the path again, as logrotate expects; if that fails, lines go
/// on to the former file.
Result<std::shared_ptr<spdlog::sinks::sink>> LogFileSink(const std::string& path);

/// For a signal handler.
void ReopenLogFiles();

}  // namespace bellis
