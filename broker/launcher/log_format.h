#pragma once

#include <spdlog/formatter.h>

#include <memory>
#include <string>

namespace bellis {

/// spdlog's formatter for `pattern`, in which "%*" stands for the message made printable: text that
/// a peer sent can neither forge a line of the log nor reach the terminal as an escape sequence.
std::unique_ptr<spdlog::formatter> LogFormat(const std::string& pattern);

}  // namespace bellis
