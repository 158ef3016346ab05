#pragma once

// One msgpack message as a flat list: one token for each value, in the order of the bytes. A
// container is a token with its number of elements, followed by the tokens of the elements.
//
//   ["acquire", {"want": 1}]    ->    array 2 | str acquire | map 1 | str want | uint 1
//
// The tape makes hostile bytes harmless. Every value takes at least one byte. So a container that
// announces more values than there are bytes is refused at once, and the tape never has more tokens
// than the message has bytes.

#include <cstddef>
#include <cstdint>
#include <memory>
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

  TokenTape();
  ~TokenTape();
  TokenTape(const TokenTape&) = delete;
  TokenTape& operator=(const TokenTape&) = delete;

  /// Reads exactly one value that takes up all of `bytes`. On failure problem() says why, and the
  /// tokens are unspecified. Tokens point into `bytes`.
  /// Cost: linear in the bytes; memory at most sizeof(Token) per byte, kept for the next call only
  /// if it is small.
  bool Parse(std::span<const char> bytes);

  /// The tokens after a successful Parse: at least one. Containers are complete, so walking the
  /// tokens needs no check for the end.
  const Token* begin() const { return tokens_.data(); }
  size_t size() const { return tokens_.size(); }

  const std::string& problem() const { return problem_; }

 private:
  struct Parser;

  std::vector<Token> tokens_;
  std::string problem_;
  std::unique_ptr<Parser> parser_;  // msgpack's, with its stack
};

/// The token after `token` and all its elements.
const Token* SkipValue(const Token* token);

}  // namespace bellis::wire
