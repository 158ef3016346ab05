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
/// ReopenLogFiles the next line opens the path again, as logrotate expects. If that fails, lines
/// still go to the former file.
Result<std::shared_ptr<spdlog::sinks::sink>> LogFileSink(const std::string& path);

/// May be called from a signal handler.
void ReopenLogFiles();

}  // namespace bellis
