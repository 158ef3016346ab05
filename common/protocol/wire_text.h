#pragma once

// Texts on the wire are UTF-8 and have limits, but texts from a worker's stderr or a traceback may
// be anything. Outgoing text is made to fit; incoming text is checked.

#include <cstddef>
#include <string>
#include <string_view>

namespace bellis::wire {

/// Whether `text` is well-formed UTF-8 (no overlong forms, no surrogates, at most U+10FFFF).
bool IsUtf8(std::string_view text);

/// `text` with each byte that is not part of well-formed UTF-8 replaced by '?', so its length
/// stays. The result is `text` itself, or is in `scratch`.
std::string_view RepairUtf8(std::string_view text, std::string& scratch);

/// `text` if it has at most `bytes_max` bytes (>= 64). Otherwise its beginning and end, with a note
/// between them that says how many bytes were cut, together at most `bytes_max` bytes. UTF-8 stays
/// UTF-8. The result is `text` itself, or is in `scratch`.
std::string_view CutMiddle(std::string_view text, size_t bytes_max, std::string& scratch);

/// `text` in quotes for an error message: one line, UTF-8, cut after about 60 bytes.
std::string Quoted(std::string_view text);

}  // namespace bellis::wire
