#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace bellis {

/// What is wrong with a command line that `app` has refused, where that is a command or an option
/// that is not known, with the one that was probably meant. Empty: something else is wrong.
std::string UnknownWordText(const CLI::App& app, int argc, char** argv);

}  // namespace bellis
