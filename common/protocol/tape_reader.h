#pragma once

// Walks a token tape from front to back, and says what is wrong in words for the peer:
//
//   acquire.want is "x" (str); expected a uint of at most 1024
//
// Functions that read return false on failure, and so does every Fail function, for
// `return in.Fail(...)`. The path of the field is put together only then, by the callers on the way
// out: the value fails first, each level above adds its name in front.

#include <cstdint>
#include <string>
#include <string_view>

#include "bellis/result.h"
#include "common/protocol/token_tape.h"

namespace bellis::wire {

/// What holds for a field beyond its type.
struct FieldRule {
  bool required = false;
  bool omit_empty = false;  // not written when zero or empty, which is its documented default
  bool saturate = false;    // a greater uint than the field can hold becomes the greatest
  uint64_t min = 0;
  uint64_t max = INT64_MAX;                     // a uint on the wire has 63 bits
  ErrorCode over_max = ErrorCode::kBadMessage;  // the error for a greater one
  size_t text_bytes_max = 0;                    // longer text is cut in the middle; 0: no limit
};

class TapeReader {
 public:
  /// The tape outlives the reader.
  explicit TapeReader(const Token* token) : cursor_(token) {}

  /// The next token; for a container the one in front of its elements.
  const Token& Next() { return *cursor_++; }
  const Token& Peek() const { return *cursor_; }
  void Skip() { cursor_ = SkipValue(cursor_); }

  /// The next value read fails with "is missing", and what was expected. No other follows.
  void ReadMissing();

  /// "<path> is <token>; expected <expected>".
  bool FailValue(const Token& token, std::string_view expected,
                 ErrorCode code = ErrorCode::kBadMessage);
  /// "<path> <problem>".
  bool Fail(std::string_view problem);
  /// An error whose text needs no path.
  bool FailAlone(const Error& error);
  /// The failed value stands under this key, or at this place of an array.
  bool Under(std::string_view key);
  bool UnderIndex(size_t index);

  /// After a failure; `kind` is the start of the path.
  Error MakeError(std::string_view kind) const;

 private:
  const Token* cursor_;
  ErrorCode code_ = ErrorCode::kBadMessage;
  bool alone_ = false;
  std::string path_;
  std::string problem_;
};

/// The token as a peer would know it: `"x" (str)`, `-3 (int)`, `an array of 2`.
std::string Describe(const Token& token);

/// "a uint of at most 1024", from the rule's bounds and the greatest that fits in the field.
std::string ExpectedUint(const FieldRule& rule, uint64_t type_max);

}  // namespace bellis::wire
