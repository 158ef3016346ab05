#include "tools/text.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdint>

#include "common/text/code_point.h"

namespace bellis {
namespace {

/// The part of UAX #11 that names need: combining marks take no column, East Asian characters and
/// emoji take two.
int Columns(uint32_t c) {
  const auto in = [c](uint32_t first, uint32_t last) { return c >= first && c <= last; };
  if (in(0x300, 0x36F) || in(0x200B, 0x200F) || in(0xFE00, 0xFE0F)) return 0;
  if (in(0x1100, 0x115F) || in(0x2E80, 0xA4CF) || in(0xAC00, 0xD7A3) || in(0xF900, 0xFAFF) ||
      in(0xFE30, 0xFE6F) || in(0xFF00, 0xFF60) || in(0xFFE0, 0xFFE6) || in(0x1F300, 0x1FAFF) ||
      in(0x20000, 0x3FFFD)) {
    return 2;
  }
  return 1;
}

}  // namespace

int DisplayWidth(std::string_view text) {
  int width = 0;
  while (!text.empty()) {
    const CodePoint c = FirstCodePoint(text);
    width += Columns(c.value);
    text.remove_prefix(c.bytes);
  }
  return width;
}

std::string ClipToWidth(std::string_view text, int width) {
  if (DisplayWidth(text) <= width) return std::string(text);
  int used = 0;
  size_t end = 0;
  while (end < text.size()) {
    const CodePoint c = FirstCodePoint(text.substr(end));
    if (used + Columns(c.value) > width - 1) break;
    used += Columns(c.value);
    end += c.bytes;
  }
  return std::string(text.substr(0, end)) + "…";
}

std::string PadRight(std::string_view text, int width) {
  std::string clipped = ClipToWidth(text, width);
  return clipped.append(static_cast<size_t>(std::max(0, width - DisplayWidth(clipped))), ' ');
}

std::string PadLeft(std::string_view text, int width) {
  std::string clipped = ClipToWidth(text, width);
  return std::string(static_cast<size_t>(std::max(0, width - DisplayWidth(clipped))), ' ') +
         clipped;
}

std::string DurationText(double seconds) {
  if (seconds < 9.95) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} m {:02} s", whole / 60, whole % 60);
  if (whole < 86'400) return fmt::format("{} h {:02} m", whole / 3600, whole / 60 % 60);
  return fmt::format("{} d {:02} h", whole / 86'400, whole / 3600 % 24);
}

std::string MillisText(double ms) {
  if (ms < 1) return fmt::format("{:.2f} ms", ms);
  if (ms < 1000) return fmt::format("{:.1f} ms", ms);
  if (ms < 60'000) return fmt::format("{:.2f} s", ms / 1000);
  return DurationText(ms / 1000);
}

std::string RateText(double per_second) {
  if (!(per_second > 0)) return "";
  if (per_second >= 100) return fmt::format("{:.0f}/s", per_second);
  if (per_second >= 1) return fmt::format("{:.1f}/s", per_second);
  if (per_second >= 1.0 / 60) return fmt::format("{:.1f}/min", per_second * 60);
  return fmt::format("{:.1f}/h", per_second * 3600);
}

std::string Counted(unsigned long long count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

}  // namespace bellis
