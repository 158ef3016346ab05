#pragma once

// Texts on the wire are UTF-8 and have limits; texts from a worker's stderr or a traceback may be
// anything. What goes out is made to fit, what comes in is checked.

#include <cstddef>
#include <string>
#include <string_view>

namespace bellis::wire {

/// Whether `text` is well-formed UTF-8 (no overlong forms, no surrogates, at most U+10FFFF).
bool IsUtf8(std::string_view text);

/// `text` with each byte that is not part of well-formed UTF-8 replaced by '?'; as long as before.
/// The result is `text` itself, or lies in `scratch`.
std::string_view RepairUtf8(std::string_view text, std::string& scratch);

/// `text`, or where it is longer than `bytes_max` its beginning and its end with a note between
/// them of how many bytes were left out: at most `bytes_max` in all (which is at least 64). UTF-8
/// stays UTF-8. The result is `text` itself, or lies in `scratch`.
std::string_view CutMiddle(std::string_view text, size_t bytes_max, std::string& scratch);

/// `text` between quotes for an error message: one line, UTF-8, cut after 60 bytes or so.
std::string Quoted(std::string_view text);

}  // namespace bellis::wire
