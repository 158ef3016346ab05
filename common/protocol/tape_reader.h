#pragma once

// Walks a token tape from front to back, and describes errors in words for the peer:
//
//   acquire.want is "x" (str); expected a uint of at most 1024
//
// Functions that read return false on failure. Every Fail function returns false, too, for `return
// in.Fail(...)`. The path of the field is built only after a failure: the value fails first, then
// each caller above it puts its name in front.

#include <cstdint>
#include <string>
#include <string_view>

#include "bellis/result.h"
#include "common/protocol/token_tape.h"

namespace bellis::wire {

/// Constraints of a field beside its type.
struct FieldRule {
  bool required = false;
  bool omit_empty = false;  // not written when zero or empty, which is its documented default
  bool saturate = false;    // a uint that is too large becomes the field's maximum
  uint64_t min = 0;
  uint64_t max = INT64_MAX;                     // a uint on the wire has 63 bits
  ErrorCode over_max = ErrorCode::kBadMessage;  // the error for a greater value
  size_t text_bytes_max = 0;                    // longer text is cut in the middle; 0: no limit
};

class TapeReader {
 public:
  /// The tape outlives the reader.
  explicit TapeReader(const Token* token) : cursor_(token) {}

  /// Takes the next token. For a container this is the token in front of its elements.
  const Token& Next() { return *cursor_++; }
  const Token& Peek() const { return *cursor_; }
  void Skip() { cursor_ = SkipValue(cursor_); }

  /// Makes the next read fail with "is missing" and what was expected. No other read may follow.
  void ReadMissing();

  /// "<path> is <token>; expected <expected>".
  bool FailValue(const Token& token, std::string_view expected,
                 ErrorCode code = ErrorCode::kBadMessage);
  /// "<path> <problem>".
  bool Fail(std::string_view problem);
  /// An error whose text needs no path.
  bool FailAlone(const Error& error);
  /// Adds to the path of the failed value: it is under this key, or at this position of an array.
  bool Under(std::string_view key);
  bool UnderIndex(size_t index);

  /// The error after a failure. `kind` is the start of the path.
  Error MakeError(std::string_view kind) const;

 private:
  const Token* cursor_;
  ErrorCode code_ = ErrorCode::kBadMessage;
  bool alone_ = false;
  std::string path_;
  std::string problem_;
};

/// The token in words for the peer: `"x" (str)`, `-3 (int)`, `an array of 2`.
std::string Describe(const Token& token);

/// "a uint of at most 1024", from the rule's bounds and the maximum of the field's type.
std::string ExpectedUint(const FieldRule& rule, uint64_t type_max);

}  // namespace bellis::wire
