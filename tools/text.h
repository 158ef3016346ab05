#pragma once

// Text for people: how wide it is on a terminal, and numbers with units.

#include <string>
#include <string_view>

namespace bellis {

/// Columns that UTF-8 text takes on a terminal. A byte that is no UTF-8 counts as one.
int DisplayWidth(std::string_view text);

/// The longest beginning that fits; where something is cut, it ends in "…". `width` >= 1.
std::string ClipToWidth(std::string_view text, int width);

/// Clipped, or filled up with spaces on the right or the left.
std::string PadRight(std::string_view text, int width);
std::string PadLeft(std::string_view text, int width);

/// "4.2 s", "3 m 05 s", "2 h 03 m", "4 d 02 h".
std::string DurationText(double seconds);
/// "0.12 ms", "12.3 ms", "1.23 s", then as DurationText.
std::string MillisText(double ms);
/// "123/s", "12.3/s", "4.2/min", "1.5/h"; "" for 0.
std::string RateText(double per_second);
/// "1 block", "2 blocks".
std::string Counted(unsigned long long count, std::string_view noun);

}  // namespace bellis
