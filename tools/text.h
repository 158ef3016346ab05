#pragma once

// Text for people: its width on a terminal, and numbers with units.

#include <string>
#include <string_view>

namespace bellis {

/// How many columns UTF-8 text takes on a terminal. A byte that is not UTF-8 counts as one.
int DisplayWidth(std::string_view text);

/// The longest beginning of `text` that fits; it ends in "…" if the text was cut. `width` >= 1.
std::string ClipToWidth(std::string_view text, int width);

/// `text` clipped, or padded with spaces on the right or on the left.
std::string PadRight(std::string_view text, int width);
std::string PadLeft(std::string_view text, int width);

/// "4.2 s", "3 m 05 s", "2 h 03 m", "4 d 02 h".
std::string DurationText(double seconds);
/// "0.12 ms", "12.3 ms", "1.23 s"; longer times as in DurationText.
std::string MillisText(double ms);
/// "123/s", "12.3/s", "4.2/min", "1.5/h"; "" for 0.
std::string RateText(double per_second);
/// "1 block", "2 blocks".
std::string Counted(unsigned long long count, std::string_view noun);

}  // namespace bellis
