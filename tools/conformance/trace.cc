#include "tools/conformance/trace.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/protocol/token_tape.h"
#include "common/protocol/wire_text.h"
#include "common/text/printable.h"

namespace bellis::conformance {
namespace {

constexpr size_t kTextBytesMax = 600;
constexpr size_t kHexBytesMax = 64;
constexpr size_t kLinesAtEachEnd = 40;

using wire::Token;
using wire::TokenType;

std::string Hex(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes.substr(0, kHexBytesMax)) {
    text += fmt::format("{}{:02x}", text.empty() ? "" : " ", static_cast<unsigned char>(byte));
  }
  return text + (bytes.size() > kHexBytesMax ? " ..." : "");
}

const Token* Render(const Token* token, std::string* text);

const Token* RenderItems(const Token* token, std::string* text) {
  const bool map = token->type == TokenType::kMap;
  const uint32_t size = token->size;
  *text += map ? "{" : "[";
  ++token;
  for (uint32_t i = 0; i < size; ++i) {
    if (i > 0) *text += ", ";
    token = Render(token, text);
    if (!map) continue;
    *text += ": ";
    token = Render(token, text);
  }
  *text += map ? "}" : "]";
  return token;
}

/// Appends the value at `token`; returns the token after it.
const Token* Render(const Token* token, std::string* text) {
  switch (token->type) {
    case TokenType::kBool: *text += token->boolean ? "true" : "false"; break;
    case TokenType::kUint: *text += std::to_string(token->uint); break;
    case TokenType::kInt: *text += std::to_string(token->integer); break;
    case TokenType::kFloat: *text += fmt::format("{:#}", token->number); break;
    case TokenType::kStr: *text += '"' + Printable(token->text()) + '"'; break;
    case TokenType::kBin: *text += "bin(" + Hex(token->text()) + ")"; break;
    case TokenType::kExt: *text += "ext(" + Hex(token->text()) + ")"; break;
    case TokenType::kArray:
    case TokenType::kMap: return RenderItems(token, text);
    default: *text += "nil";
  }
  return token + 1;
}

}  // namespace

std::string MessageText(std::span<const char> bytes) {
  wire::TokenTape tape;
  if (!tape.Parse(bytes)) return "no msgpack: " + Hex({bytes.data(), bytes.size()});
  const Token* token = tape.begin();
  std::string text;
  if (token->type == TokenType::kArray && token->size == 2 && token[1].type == TokenType::kStr) {
    text = Printable(token[1].text()) + " ";
    Render(token + 2, &text);
  } else {
    Render(token, &text);
  }
  if (text.size() <= kTextBytesMax) return text;
  const size_t size = text.size();
  text.resize(kTextBytesMax);
  std::string scratch;
  return std::string(wire::RepairUtf8(text, scratch)) + fmt::format(" ... ({} bytes)", size);
}

std::string TraceText(const TraceLine& line) {
  const std::string time = fmt::format("{:8.3f} s  ", line.at.seconds());
  if (line.kind == TraceLine::Kind::kNote) return time + "---------------  " + line.text;
  const char* arrow = line.kind == TraceLine::Kind::kFromWorker ? ">" : "<";
  return time + fmt::format("{:<6} {} broker  {}", line.who, arrow, line.text);
}

std::string TraceText(const std::vector<TraceLine>& lines, const std::string& indent) {
  std::string text;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i == kLinesAtEachEnd && lines.size() > 2 * kLinesAtEachEnd) {
      const size_t left_out = lines.size() - 2 * kLinesAtEachEnd;
      text += fmt::format("{}   ... {} lines ...\n", indent, left_out);
      i += left_out;
    }
    text += indent + TraceText(lines[i]) + "\n";
  }
  return text;
}

}  // namespace bellis::conformance
