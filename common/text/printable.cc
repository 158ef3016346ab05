#include "common/text/printable.h"

#include <array>
#include <cstdio>

#include "common/text/code_point.h"

namespace bellis {
namespace {

/// Whether a terminal would do something other than show the character, or whether it is not a
/// character.
bool Unprintable(uint32_t c) {
  const auto in = [c](uint32_t first, uint32_t last) { return c >= first && c <= last; };
  return c < 0x20 || in(0x7F, 0x9F) || in(0x200E, 0x200F) || in(0x2028, 0x202E) ||
         in(0x2066, 0x2069) || c == 0xFFFD;
}

}  // namespace

std::string Printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const CodePoint c = FirstCodePoint(text);
    if (Unprintable(c.value)) {
      out += '?';
    } else {
      out += text.substr(0, c.bytes);
    }
    text.remove_prefix(c.bytes);
  }
  return out;
}

std::string PrintableLines(std::string_view text) {
  std::string out;
  while (true) {
    const size_t end = text.find('\n');
    std::string line(text.substr(0, end));
    for (char& c : line) {
      if (c == '\t') c = ' ';
    }
    out += Printable(line);
    if (end == std::string_view::npos) return out;
    out += '\n';
    text.remove_prefix(end + 1);
  }
}

std::string PrintableJson(std::string_view json) {
  std::string out;
  out.reserve(json.size());
  while (!json.empty()) {
    const CodePoint c = FirstCodePoint(json);
    if (Unprintable(c.value) && c.value != 0xFFFD) {
      std::array<char, 8> escape{};
      std::snprintf(escape.data(), escape.size(), "\\u%04x", static_cast<unsigned>(c.value));
      out += escape.data();
    } else {
      out += json.substr(0, c.bytes);
    }
    json.remove_prefix(c.bytes);
  }
  return out;
}

std::string FirstLine(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return "";
  text.remove_prefix(begin);
  text = text.substr(0, text.find('\n'));
  return Printable(text.substr(0, text.find_last_not_of(" \t\r") + 1));
}

}  // namespace bellis
