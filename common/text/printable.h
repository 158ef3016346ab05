#pragma once

// Makes text from outside safe for a terminal and for a log.
//
// Names, reasons, error messages and the output of workers are chosen by whoever submits a job or
// connects. On a terminal they could move the cursor or change colours; in a log a line break could
// forge a line. Every place that writes to a terminal or to a log calls Printable, last.

#include <string>
#include <string_view>

namespace bellis {

/// `text` on one line: each control character (C0, DEL, C1), each line separator, each character
/// that changes the direction of writing, and each byte that is not UTF-8 is replaced by '?'.
std::string Printable(std::string_view text);

/// The same for a text of several lines: '\n' stays, and a tab becomes a space.
std::string PrintableLines(std::string_view text);

/// The same for JSON on one line. The JSON's meaning stays, since characters are escaped
/// ("\\u009b").
std::string PrintableJson(std::string_view json);

/// As Printable, for the first line that is not blank.
std::string FirstLine(std::string_view text);

}  // namespace bellis
