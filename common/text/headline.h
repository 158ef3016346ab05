#pragma once

#include <string>
#include <string_view>

namespace bellis {

/// The line of `error` that says what went wrong, made printable. For a Python traceback, this is
/// the exception at its end ("ValueError: boom"); for an exception group, the group and its first
/// exception; for any other text, the first line that is not blank. "" if there is none. Cost:
/// linear in the text.
std::string Headline(std::string_view error);

}  // namespace bellis
