#pragma once

// Refuses text that the TOML parser cannot handle. toml++ 3.3.0 builds and frees nested tables
// recursively, so a short text with very deep nesting overflows the stack. Its test for white space
// is undefined for most characters beyond ASCII (which are valid only in strings and comments).
// TomlGuard refuses both kinds of text and names the line. Private to common/task.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "common/task/field_text.h"

namespace bellis {

/// The most open brackets, and the most dots in one line. A pipeline needs about five.
inline constexpr size_t kTomlNestingMax = 16;

/// One pass over the text, which separates strings and comments from the rest. Valid TOML is read
/// as the parser reads it. In invalid text, the parser stops no later than this class does.
class TomlGuard {
 public:
  struct Refusal {
    size_t line = 1;
    std::string words;
  };

  explicit TomlGuard(std::string_view text) : text_(text) {}

  /// nullopt if the text can be given to the parser. Call it once.
  std::optional<Refusal> Check() {
    while (at_ < text_.size() && !refusal_ && !broken_) {
      const char c = text_[at_];
      if (c == '#') {
        in_word_ = false;
        SkipComment();
      } else if (c == '"' || c == '\'') {
        ReadString(c);
      } else {
        ReadCharacter(c);
      }
    }
    return refusal_;
  }

 private:
  bool StartsWith(std::string_view what) const {
    return at_ < text_.size() && text_.substr(at_, what.size()) == what;
  }

  void Refuse(std::string words) {
    if (!refusal_) refusal_ = Refusal{line_, std::move(words)};
  }

  /// Steps over one character of any kind; counts lines.
  void Step() {
    const auto byte = static_cast<unsigned char>(text_[at_]);
    const size_t bytes = Utf8CharacterBytes(text_.substr(at_));
    if (bytes == 0) {
      Refuse("has text that is not UTF-8");
    } else if ((byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7F) {
      Refuse("has the control character " + Quoted(text_.substr(at_, 1)));
    }
    if (byte == '\n') {
      ++line_;
      dots_ = 0;
    }
    at_ += bytes == 0 ? 1 : bytes;
  }

  void SkipComment() {
    while (at_ < text_.size() && text_[at_] != '\n' && !refusal_) Step();
  }

  /// Whether a quote here begins a string, which must be a key or a value. The parser would accept
  /// a quote in the middle of a word.
  bool MayBeginString() const {
    if (in_word_) return false;
    if (before_ == '.') return !in_value_;
    return std::string_view("\n=,[{").find(before_) != std::string_view::npos;
  }

  void ReadString(char quote) {
    if (!MayBeginString()) return Refuse("has a quote in the middle of a word");
    before_ = quote;
    const std::string three(3, quote);
    const bool multi_line = StartsWith(three);
    const std::string end = multi_line ? three : std::string(1, quote);
    at_ += end.size();
    while (at_ < text_.size() && !StartsWith(end) && !refusal_) {
      if (text_[at_] == '\n' && !multi_line) {
        broken_ = true;  // not closed: the parser reports that, and stops
        return;
      }
      const bool escape = text_[at_] == '\\' && quote == '"';
      Step();
      if (escape) SkipEscaped(multi_line);
    }
    at_ += end.size();
    // """a"""" ends in a quote: up to two quotes before the end belong to the string.
    for (int extra = 0; multi_line && extra < 2 && StartsWith(end.substr(0, 1)); ++extra) ++at_;
  }

  /// Called after a backslash: skips the escaped character or, in a string of several lines, all
  /// white space. The parser tests the character after that for white space.
  void SkipEscaped(bool multi_line) {
    const auto white = [this] {
      return at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != text_.npos;
    };
    const bool skips = multi_line && white();
    while (multi_line && white()) Step();
    if (at_ == text_.size()) return;
    const size_t bytes = Utf8CharacterBytes(text_.substr(at_));
    if (bytes > 1) Refuse("has " + Quoted(text_.substr(at_, bytes)) + " right after a backslash");
    if (!skips && text_[at_] != '\n') Step();
  }

  void ReadCharacter(char c) {
    const size_t bytes = Utf8CharacterBytes(text_.substr(at_));
    if (bytes > 1) Refuse("has " + Quoted(text_.substr(at_, bytes)) + " outside of a string");
    Step();
    constexpr std::string_view kWordEnds = " \t\r\n,]}";
    if (kWordEnds.find(c) != std::string_view::npos) {
      in_word_ = false;
    } else if (in_value_ && c != '[' && c != '{') {
      in_word_ = true;
    }
    if (c == ' ' || c == '\t' || c == '\r') return;
    before_ = c;
    switch (c) {
      case '=': in_value_ = true; break;
      case '\n': in_value_ = in_value_ && !open_.empty(); break;
      case ',': in_value_ = !open_.empty() && open_.back() == '['; break;
      case '[':
      case '{':
        open_ += c;
        if (c == '{') in_value_ = false;
        break;
      case ']':
      case '}':
        if (!open_.empty()) open_.pop_back();
        in_value_ = true;
        break;
      case '.': ++dots_; break;
      default: break;
    }
    if (open_.size() > kTomlNestingMax || dots_ > kTomlNestingMax) {
      Refuse("nests deeper than " + std::to_string(kTomlNestingMax) +
             " brackets or parts of a key");
    }
  }

  const std::string_view text_;
  size_t at_ = 0;
  size_t line_ = 1;
  size_t dots_ = 0;        // in this line: a key does not span lines
  std::string open_;       // brackets, the innermost last
  char before_ = '\n';     // the last character that is not white space
  bool in_value_ = false;  // right of a '=', where a dot belongs to a number
  bool in_word_ = false;   // in a number or another word, inside which nothing begins
  bool broken_ = false;    // the parser stops here
  std::optional<Refusal> refusal_;
};

}  // namespace bellis
