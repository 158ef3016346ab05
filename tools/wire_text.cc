#include "tools/wire_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "common/protocol/token_tape.h"
#include "common/text/printable.h"

namespace bellis {
namespace {

using wire::Token;
using wire::TokenTape;
using wire::TokenType;

std::string Hex(std::string_view bytes) {
  std::string text;
  text.reserve(2 * bytes.size());
  for (const char byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return text;
}

std::string Quoted(std::string_view text) {
  using Json = nlohmann::json;
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

bool IsWord(std::string_view text) {
  const auto fits = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
  return !text.empty() && std::all_of(text.begin(), text.end(), fits);
}

/// Writes one value after the other. Recursion is bounded by TokenTape::kDepthMax.
class ValueWriter {
 public:
  explicit ValueWriter(TextStyle style) : json_(style == TextStyle::kJson) {}

  std::string Value(const Token*& token) {
    const Token& value = *token++;
    switch (value.type) {
      case TokenType::kNil: return json_ ? "null" : "nil";
      case TokenType::kBool: return value.boolean ? "true" : "false";
      case TokenType::kUint: return fmt::format("{}", value.uint);
      case TokenType::kInt: return fmt::format("{}", value.integer);
      case TokenType::kFloat: return Number(value.number);
      case TokenType::kStr: return Quoted(value.text());
      case TokenType::kBin: return Bytes("bin", value.text());
      case TokenType::kExt: return Bytes("ext", value.text());
      case TokenType::kArray: return Array(value.size, token);
      case TokenType::kMap: return Map(value.size, token);
      case TokenType::kMissing: break;
    }
    return "";
  }

 private:
  /// A float keeps a point, since 1.0 is another value on the wire than 1.
  std::string Number(double number) const {
    const std::string text = fmt::format("{}", number);
    if (!std::isfinite(number)) return json_ ? Quoted(text) : text;
    return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
  }

  std::string Bytes(const char* what, std::string_view bytes) const {
    return json_ ? fmt::format("{{\"{}\":\"{}\"}}", what, Hex(bytes))
                 : fmt::format("{}({})", what, Hex(bytes));
  }

  std::string Array(uint32_t size, const Token*& token) {
    std::string text = "[";
    for (uint32_t i = 0; i < size; ++i) {
      if (i > 0) text += json_ ? "," : ", ";
      text += Value(token);
    }
    return text + "]";
  }

  std::string Map(uint32_t size, const Token*& token) {
    std::string text = "{";
    for (uint32_t i = 0; i < size; ++i) {
      if (i > 0) text += json_ ? "," : ", ";
      const Token& key = *token;
      const std::string shown = Value(token);
      const bool is_text = key.type == TokenType::kStr;
      if (json_) {
        text += (is_text ? shown : Quoted(shown)) + ":";
      } else {
        text += (is_text && IsWord(key.text()) ? std::string(key.text()) : shown) + ": ";
      }
      text += is_text && key.text() == "token" ? Secret(token) : Value(token);
    }
    return text + "}";
  }

  std::string Secret(const Token*& token) {
    const size_t bytes = token->type == TokenType::kStr ? token->size : 0;
    token = wire::SkipValue(token);
    const std::string text = fmt::format("({} bytes)", bytes);
    return json_ ? Quoted(text) : text;
  }

  const bool json_;
};

/// The tape of a message: [kind, fields]; else what is wrong.
std::string ProblemOf(TokenTape& tape, std::span<const char> bytes) {
  if (!tape.Parse(bytes)) return tape.problem();
  const Token* token = tape.begin();
  if (token->type != TokenType::kArray || token->size != 2) return "not an array of 2";
  if (token[1].type != TokenType::kStr) return "the kind is not a str";
  if (token[2].type != TokenType::kMap) return "the fields are not a map";
  return "";
}

/// The value of the field; null: there is none.
const Token* FindField(const TokenTape& tape, std::string_view field) {
  const Token* token = tape.begin() + 2;
  const uint32_t pairs = (token++)->size;
  for (uint32_t i = 0; i < pairs; ++i) {
    const Token* value = wire::SkipValue(token);
    if (token->type == TokenType::kStr && token->text() == field) return value;
    token = wire::SkipValue(value);
  }
  return nullptr;
}

}  // namespace

MessageText TextOfMessage(std::span<const char> bytes, TextStyle style) {
  TokenTape tape;
  std::string problem = ProblemOf(tape, bytes);
  if (!problem.empty()) return {"", Hex({bytes.data(), bytes.size()}), std::move(problem)};
  const Token* fields = tape.begin() + 2;
  std::string text = ValueWriter(style).Value(fields);
  text = style == TextStyle::kJson ? PrintableJson(text) : Printable(text);
  return {Printable(tape.begin()[1].text()), std::move(text), ""};
}

std::optional<uint64_t> NumberOfField(std::span<const char> bytes, const char* field) {
  TokenTape tape;
  if (!ProblemOf(tape, bytes).empty()) return std::nullopt;
  const Token* value = FindField(tape, field);
  if (value == nullptr || value->type != TokenType::kUint) return std::nullopt;
  return value->uint;
}

std::string TextOfField(std::span<const char> bytes, const char* field) {
  TokenTape tape;
  if (!ProblemOf(tape, bytes).empty()) return "";
  const Token* value = FindField(tape, field);
  if (value == nullptr || value->type != TokenType::kStr) return "";
  return Printable(value->text());
}

}  // namespace bellis
