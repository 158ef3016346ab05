#pragma once

// One msgpack message, flat: a token for each value, in the order of the bytes. A container is a
// token with its number of elements, followed by their tokens.
//
//   ["acquire", {"want": 1}]    ->    array 2 | str acquire | map 1 | str want | uint 1
//
// The tape is what makes hostile bytes harmless. Every value takes at least one byte, so containers
// that promise more values than there are bytes are refused before anything follows their word, and
// the tape never holds more tokens than the message has bytes.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bellis::wire {

enum class TokenType : uint8_t {
  kNil,
  kBool,
  kUint,
  kInt,
  kFloat,
  kStr,
  kBin,
  kExt,
  kArray,
  kMap,
  kMissing  // never on a tape: stands for a field that was not given
};

struct Token {
  TokenType type = TokenType::kNil;
  uint32_t size = 0;  // str, bin, ext: bytes; array: elements; map: pairs
  union {
    bool boolean;
    uint64_t uint;
    int64_t integer;  // kInt: always negative
    double number;
    const char* bytes;  // in the message
  };
  std::string_view text() const { return {bytes, size}; }
};

class TokenTape {
 public:
  static constexpr int kDepthMax = 16;

  /// Reads exactly one value that takes up all of `bytes`. On failure problem() says why, and the
  /// tokens are of no use. Tokens point into `bytes`.
  /// Cost: linear in the bytes; memory at most sizeof(Token) a byte, kept only when it is small.
  bool Parse(std::span<const char> bytes);

  /// After a Parse that succeeded: at least one, and whole: whoever walks it need not check for
  /// the end.
  const Token* begin() const { return tokens_.data(); }
  size_t size() const { return tokens_.size(); }

  const std::string& problem() const { return problem_; }

 private:
  std::vector<Token> tokens_;
  std::string problem_;
};

/// The token after `token` and all that it holds.
const Token* SkipValue(const Token* token);

}  // namespace bellis::wire
