#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace bellis {

/// For a command line that `app` has refused because of an unknown command or option: an error text
/// that suggests the word that was probably meant. Empty: something else is wrong.
std::string UnknownWordText(const CLI::App& app, int argc, char** argv);

}  // namespace bellis
