#include "common/protocol/wire_text.h"

#include <cstdint>
#include <cstring>

#include "common/check.h"

namespace bellis::wire {
namespace {

constexpr size_t kQuotedBytesMax = 60;

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

/// The number of bytes of the well-formed sequence that starts at `at`; 0 if there is none.
size_t SequenceBytes(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const size_t bytes = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() - at < bytes) return 0;
  // The bounds of the second byte exclude overlong forms, surrogates and characters above U+10FFFF.
  const unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  const unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  if (byte(1) < low || byte(1) > high) return 0;
  for (size_t i = 2; i < bytes; ++i) {
    if (!IsContinuation(text[at + i])) return 0;
  }
  return bytes;
}

/// Where the well-formed beginning of `text` ends.
size_t ValidPrefix(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    uint64_t eight;
    if (text.size() - at >= sizeof(eight)) {
      std::memcpy(&eight, text.data() + at, sizeof(eight));
      if ((eight & 0x8080808080808080u) == 0) {
        at += sizeof(eight);
        continue;
      }
    }
    const size_t bytes = SequenceBytes(text, at);
    if (bytes == 0) return at;
    at += bytes;
  }
  return at;
}

/// The nearest start of a character at or before `at`. A sequence has at most three bytes after its
/// first. Text with more is not UTF-8, and may be cut anywhere.
size_t StartBefore(std::string_view text, size_t at) {
  for (size_t back = 0; back < 4 && back <= at; ++back) {
    if (!IsContinuation(text[at - back])) return at - back;
  }
  return at;
}

/// The nearest start of a character at or after `at`.
size_t StartAfter(std::string_view text, size_t at) {
  size_t start = at;
  while (start < text.size() && start - at < 3 && IsContinuation(text[start])) ++start;
  return start;
}

}  // namespace

bool IsUtf8(std::string_view text) { return ValidPrefix(text) == text.size(); }

std::string_view RepairUtf8(std::string_view text, std::string& scratch) {
  size_t at = ValidPrefix(text);
  if (at == text.size()) return text;
  std::string repaired(text);
  while (at < repaired.size()) {
    repaired[at] = '?';
    ++at;
    at += ValidPrefix(std::string_view(repaired).substr(at));
  }
  scratch = std::move(repaired);  // last, as `text` may lie in `scratch`
  return scratch;
}

std::string_view CutMiddle(std::string_view text, size_t bytes_max, std::string& scratch) {
  if (text.size() <= bytes_max) return text;
  const auto note = [](size_t bytes) {
    return "\n[... " + std::to_string(bytes) + " bytes cut ...]\n";
  };
  BELLIS_CHECK(bytes_max >= 64, "too small a limit for the note of a cut");
  const size_t kept = bytes_max - note(text.size()).size();
  const size_t head = StartBefore(text, kept / 2);
  const size_t tail = StartAfter(text, text.size() - kept / 2);
  std::string cut(text.substr(0, head));
  cut += note(tail - head);
  cut += text.substr(tail);
  scratch = std::move(cut);  // last, as `text` may lie in `scratch`
  return scratch;
}

std::string Quoted(std::string_view text) {
  std::string quoted(
      text.size() <= kQuotedBytesMax ? text : text.substr(0, StartBefore(text, kQuotedBytesMax)));
  std::string scratch;
  quoted = RepairUtf8(quoted, scratch);
  for (char& c : quoted) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return '"' + quoted + (text.size() <= kQuotedBytesMax ? "\"" : "...\"");
}

}  // namespace bellis::wire
