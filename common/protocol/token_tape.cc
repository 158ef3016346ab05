#include "common/protocol/token_tape.h"

#ifndef MSGPACK_NO_BOOST
#define MSGPACK_NO_BOOST
#endif
#include <exception>
#include <msgpack/null_visitor.hpp>
#include <msgpack/parse.hpp>
#include <msgpack/unpack.hpp>  // what parse.hpp leaves undefined

namespace bellis::wire {
namespace {

// A larger tape is freed before the next message.
constexpr size_t kTokensKept = 1 << 16;

Token Make(TokenType type, uint32_t size) {
  Token token;
  token.type = type;
  token.size = size;
  token.uint = 0;
  return token;
}

/// The visitor that msgpack's parser calls. Returning false stops the parser.
class TapeWriter : public msgpack::null_visitor {
 public:
  explicit TapeWriter(std::vector<Token>& tokens) : tokens_(tokens) {}

  /// The next message has so many bytes.
  void Begin(size_t bytes) {
    values_left_ = bytes - 1;
    depth_ = 0;
    problem_ = "not msgpack";
  }
  void init() {}  // the parser calls it

  bool visit_nil() { return Push(Make(TokenType::kNil, 0)); }
  bool visit_boolean(bool value) {
    Token token = Make(TokenType::kBool, 0);
    token.boolean = value;
    return Push(token);
  }
  bool visit_positive_integer(uint64_t value) {
    Token token = Make(TokenType::kUint, 0);
    token.uint = value;
    return Push(token);
  }
  // The parser calls this for all signed formats, whatever the sign.
  bool visit_negative_integer(int64_t value) {
    if (value >= 0) return visit_positive_integer(static_cast<uint64_t>(value));
    Token token = Make(TokenType::kInt, 0);
    token.integer = value;
    return Push(token);
  }
  bool visit_float32(float value) { return visit_float64(static_cast<double>(value)); }
  bool visit_float64(double value) {
    Token token = Make(TokenType::kFloat, 0);
    token.number = value;
    return Push(token);
  }
  bool visit_str(const char* bytes, uint32_t size) { return Bytes(TokenType::kStr, bytes, size); }
  bool visit_bin(const char* bytes, uint32_t size) { return Bytes(TokenType::kBin, bytes, size); }
  bool visit_ext(const char* bytes, uint32_t size) { return Bytes(TokenType::kExt, bytes, size); }
  bool start_array(uint32_t elements) { return Open(TokenType::kArray, elements, elements); }
  bool start_map(uint32_t pairs) { return Open(TokenType::kMap, pairs, uint64_t{pairs} * 2); }
  bool end_array() { return Close(); }
  bool end_map() { return Close(); }
  void parse_error(size_t, size_t) { problem_ = "a byte that starts no value"; }
  void insufficient_bytes(size_t, size_t) { problem_ = "the end comes too early"; }

  const char* problem() const { return problem_; }

 private:
  bool Push(const Token& token) {
    tokens_.push_back(token);
    return true;
  }
  bool Bytes(TokenType type, const char* bytes, uint32_t size) {
    Token token = Make(type, size);
    token.bytes = size == 0 ? "" : bytes;
    return Push(token);
  }
  bool Open(TokenType type, uint32_t size, uint64_t values) {
    if (++depth_ > TokenTape::kDepthMax) {
      problem_ = "nested deeper than 16";
      return false;
    }
    if (values > values_left_) {
      problem_ = "an array or a map promises more values than there are bytes";
      return false;
    }
    values_left_ -= values;
    return Push(Make(type, size));
  }
  bool Close() {
    --depth_;
    return true;
  }

  std::vector<Token>& tokens_;
  uint64_t values_left_ = 0;  // how many values later containers may announce; each takes at least
                              // one byte
  int depth_ = 0;
  const char* problem_ = "not msgpack";
};

}  // namespace

/// msgpack::parse() makes a parser, with a stack on the heap, for each message; this one is kept.
struct TokenTape::Parser {
  explicit Parser(std::vector<Token>& tokens) : writer(tokens), parser(writer) {}
  TapeWriter writer;
  msgpack::detail::parse_helper<TapeWriter> parser;
};

TokenTape::TokenTape() : parser_(std::make_unique<Parser>(tokens_)) {}
TokenTape::~TokenTape() = default;

bool TokenTape::Parse(std::span<const char> bytes) {
  if (tokens_.capacity() > kTokensKept) tokens_ = {};
  tokens_.clear();
  if (bytes.empty()) {
    problem_ = "no bytes at all";
    return false;
  }
  TapeWriter& writer = parser_->writer;
  writer.Begin(bytes.size());
  size_t offset = 0;
  bool parsed = false;
  try {
    parser_->parser.init();
    const auto end = parser_->parser.execute(bytes.data(), bytes.size(), offset);
    if (end == msgpack::PARSE_CONTINUE) writer.insufficient_bytes(offset - 1, offset);
    parsed = end == msgpack::PARSE_SUCCESS || end == msgpack::PARSE_EXTRA_BYTES;
  } catch (const std::exception& e) {  // an ext of 2^32-1 bytes
    problem_ = e.what();
    return false;
  }
  if (!parsed) {
    problem_ = std::string(writer.problem()) + " (at byte " + std::to_string(offset) + " of " +
               std::to_string(bytes.size()) + ")";
    return false;
  }
  if (offset < bytes.size()) {
    problem_ = std::to_string(bytes.size() - offset) + " bytes after the end of the message";
    return false;
  }
  return true;
}

const Token* SkipValue(const Token* token) {
  for (uint64_t left = 1; left > 0; --left, ++token) {
    if (token->type == TokenType::kArray) left += token->size;
    if (token->type == TokenType::kMap) left += uint64_t{token->size} * 2;
  }
  return token;
}

}  // namespace bellis::wire
