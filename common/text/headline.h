#pragma once

#include <string>
#include <string_view>

namespace bellis {

/// The one line of `error` that says what went wrong, printable: the exception that a Python
/// traceback ends with ("ValueError: boom"), of an exception group the group and its first
/// exception; of any other text the first line that has something in it. "" when there is none.
/// Cost: linear in the text.
std::string Headline(std::string_view error);

}  // namespace bellis
