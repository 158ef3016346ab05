#include "common/protocol/value_reader.h"

#include <array>
#include <cmath>

#include "common/protocol/wire_text.h"

namespace bellis::wire {
namespace {

constexpr FieldRule kAnyText = {};

/// Reads 1 to kRankMax ints. `values` has room for kRankMax.
bool ReadInts(TapeReader& in, int64_t* values, uint32_t& count) {
  const Token& array = in.Next();
  if (array.type != TokenType::kArray || array.size < 1 || array.size > kRankMax) {
    return in.FailValue(array, "an array of 1 to 8 ints");
  }
  count = array.size;
  for (uint32_t d = 0; d < count; ++d) {
    if (!ReadValue(in, kAnyText, values[d])) return in.UnderIndex(d);
  }
  return true;
}

}  // namespace

bool ReadText(TapeReader& in, const FieldRule& rule, std::string& out) {
  const Token& token = in.Next();
  if (token.type != TokenType::kStr) return in.FailValue(token, "a str");
  if (!IsUtf8(token.text())) return in.FailValue(token, "UTF-8");
  if (rule.text_bytes_max > 0 && token.size > rule.text_bytes_max) {
    std::string scratch;
    out = CutMiddle(token.text(), rule.text_bytes_max, scratch);
  } else {
    out = token.text();
  }
  return true;
}

bool ReadNumber(TapeReader& in, double& out) {
  const Token& token = in.Next();
  if (token.type == TokenType::kUint) {
    out = static_cast<double>(token.uint);
  } else if (token.type == TokenType::kInt) {
    out = static_cast<double>(token.integer);
  } else if (token.type == TokenType::kFloat && std::isfinite(token.number)) {
    out = token.number;
  } else {
    return in.FailValue(token, "a finite number");
  }
  return true;
}

bool FailInt(TapeReader& in, const Token& token, int64_t min, int64_t max) {
  if (max == INT64_MAX) return in.FailValue(token, "an int of 64 bits");
  return in.FailValue(token, "an int from " + std::to_string(min) + " to " + std::to_string(max));
}

bool ReadRoi(TapeReader& in, Roi& out) {
  const Token& pair = in.Next();
  if (pair.type != TokenType::kArray || pair.size != 2) {
    return in.FailValue(pair, "[offset, shape]");
  }
  std::array<int64_t, kRankMax> offset;
  std::array<int64_t, kRankMax> shape;
  uint32_t offset_rank = 0;
  uint32_t shape_rank = 0;
  if (!ReadInts(in, offset.data(), offset_rank)) return in.UnderIndex(0);
  if (!ReadInts(in, shape.data(), shape_rank)) return in.UnderIndex(1);
  Result<Roi> roi =
      Roi::Make(Coordinate({offset.data(), offset_rank}), Coordinate({shape.data(), shape_rank}));
  if (!roi.ok()) return in.Fail("is not a ROI: " + roi.error().message);
  out = *roi;
  return true;
}

bool ReadEnvironment(TapeReader& in, Environment& out) {
  const Token& map = in.Next();
  if (map.type != TokenType::kMap) return in.FailValue(map, "a map of str to str");
  for (uint32_t pair = 0; pair < map.size; ++pair) {
    std::string name;
    if (!ReadText(in, kAnyText, name)) return in.Under("(key)");
    const auto [entry, added] = out.try_emplace(std::move(name));
    if (!added) return in.Fail("is given twice; expected once") || in.Under(Quoted(entry->first));
    if (!ReadText(in, kAnyText, entry->second)) return in.Under(Quoted(entry->first));
  }
  return true;
}

}  // namespace bellis::wire
