#include "common/protocol/tape_reader.h"

#include <algorithm>
#include <cstdio>

#include "common/protocol/wire_text.h"

namespace bellis::wire {
namespace {

std::string Number(double number) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.9g", number);
  return text;
}

}  // namespace

std::string Describe(const Token& token) {
  switch (token.type) {
    case TokenType::kNil: return "nil";
    case TokenType::kBool: return token.boolean ? "true (bool)" : "false (bool)";
    case TokenType::kUint: return std::to_string(token.uint) + " (uint)";
    case TokenType::kInt: return std::to_string(token.integer) + " (int)";
    case TokenType::kFloat: return Number(token.number) + " (float)";
    case TokenType::kStr: return Quoted(token.text()) + " (str)";
    case TokenType::kBin: return std::to_string(token.size) + " bytes (bin)";
    case TokenType::kExt: return "an extension type";
    case TokenType::kArray: return "an array of " + std::to_string(token.size);
    case TokenType::kMap: return "a map of " + std::to_string(token.size);
    case TokenType::kMissing: return "missing";
  }
  return "nothing";
}

std::string ExpectedUint(const FieldRule& rule, uint64_t type_max) {
  const uint64_t max = std::min(rule.max, type_max);
  if (rule.min > 0) {
    return "a uint from " + std::to_string(rule.min) + " to " + std::to_string(max);
  }
  if (max == INT64_MAX) return "a uint";
  return "a uint of at most " + std::to_string(max);
}

void TapeReader::ReadMissing() {
  static const Token kMissing = [] {
    Token token;
    token.type = TokenType::kMissing;
    return token;
  }();
  cursor_ = &kMissing;
}

bool TapeReader::FailValue(const Token& token, std::string_view expected, ErrorCode code) {
  code_ = code;
  return Fail("is " + Describe(token) + "; expected " + std::string(expected));
}

bool TapeReader::Fail(std::string_view problem) {
  problem_ = problem;
  return false;
}

bool TapeReader::FailAlone(const Error& error) {
  code_ = error.code;
  problem_ = error.message;
  alone_ = true;
  return false;
}

bool TapeReader::Under(std::string_view key) {
  path_.insert(0, "." + std::string(key));
  return false;
}

bool TapeReader::UnderIndex(size_t index) {
  path_.insert(0, "[" + std::to_string(index) + "]");
  return false;
}

Error TapeReader::MakeError(std::string_view kind) const {
  if (alone_) return {code_, problem_};
  return {code_, std::string(kind) + path_ + " " + problem_};
}

}  // namespace bellis::wire
