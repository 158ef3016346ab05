#pragma once

// Words for error messages: a user's value in quotes, a list. Private to common/task.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bellis {

/// Whether the text has only letters, digits, '_' and '-', so that it needs no quotes in a path.
inline bool IsPlainWord(std::string_view text) {
  constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
  return !text.empty() && text.size() <= 64 &&
         text.find_first_not_of(kPlain) == std::string_view::npos;
}

/// The number of bytes of the UTF-8 character that `text` starts with; 0 if there is none (RFC
/// 3629: no overlong forms, no surrogates, nothing above U+10FFFF).
inline size_t Utf8CharacterBytes(std::string_view text) {
  const auto byte = [&text](size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const auto in = [&byte](size_t i, unsigned low, unsigned high) {
    return byte(i) >= low && byte(i) <= high;
  };
  const unsigned lead = byte(0);
  if (text.empty()) return 0;
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return in(1, 0x80, 0xBF) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const bool second = in(1, lead == 0xE0 ? 0xA0 : 0x80, lead == 0xED ? 0x9F : 0xBF);
    return second && in(2, 0x80, 0xBF) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const bool second = in(1, lead == 0xF0 ? 0x90 : 0x80, lead == 0xF4 ? 0x8F : 0xBF);
    return second && in(2, 0x80, 0xBF) && in(3, 0x80, 0xBF) ? 4 : 0;
  }
  return 0;
}

inline bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const size_t bytes = Utf8CharacterBytes(text);
    if (bytes == 0) return false;
    text.remove_prefix(bytes);
  }
  return true;
}

/// `text` in double quotes on one line: control characters and bytes that are not UTF-8 are
/// escaped, and the text is cut after 60 bytes.
inline std::string Quoted(std::string_view text) {
  constexpr size_t kShownBytes = 60;
  constexpr char kHex[] = "0123456789abcdef";
  std::string quoted = "\"";
  const size_t whole = text.size();
  while (!text.empty() && whole - text.size() < kShownBytes) {
    const size_t bytes = std::max<size_t>(1, Utf8CharacterBytes(text));
    const auto lead = static_cast<unsigned char>(text[0]);
    if (lead == '"' || lead == '\\') {
      quoted += '\\';
      quoted += text[0];
    } else if (lead == '\n') {
      quoted += "\\n";
    } else if (lead < 0x20 || lead == 0x7F || (lead >= 0x80 && bytes == 1)) {
      quoted += "\\x";
      quoted += kHex[lead >> 4];
      quoted += kHex[lead & 15];
    } else {
      quoted += text.substr(0, bytes);
    }
    text.remove_prefix(bytes);
  }
  return quoted + (text.empty() ? "\"" : "...\"");
}

/// `a, b, c`: the first `shown` words, and how many more there are.
inline std::string Listed(const std::vector<std::string>& words, std::string_view separator = ", ",
                          size_t shown = 16) {
  std::string list;
  for (size_t i = 0; i < std::min(words.size(), shown); ++i) {
    if (i > 0) list += separator;
    list += words[i];
  }
  if (words.size() > shown) {
    list += std::string(separator) + "... (" + std::to_string(words.size() - shown) + " more)";
  }
  return list;
}

}  // namespace bellis
