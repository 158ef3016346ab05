// Converts the `job` of a submit message from msgpack to the JSON-like tree that the spec reader
// takes, and back.

#include <cmath>
#include <nlohmann/json.hpp>

#include "common/protocol/value_reader.h"
#include "common/protocol/value_writer.h"
#include "common/task/spec_reader.h"

namespace bellis::wire {
namespace {

using Json = nlohmann::json;

constexpr FieldRule kAnyRule = {};

// Recursion is bounded by TokenTape::kDepthMax.
bool ReadTree(TapeReader& in, Json& out) {
  const Token& token = in.Next();
  switch (token.type) {
    case TokenType::kNil: out = nullptr; return true;
    case TokenType::kBool: out = token.boolean; return true;
    case TokenType::kInt: out = token.integer; return true;
    case TokenType::kUint:
      if (token.uint > INT64_MAX) return in.FailValue(token, "an int of 64 bits");
      out = token.uint;
      return true;
    case TokenType::kFloat:
      if (!std::isfinite(token.number)) return in.FailValue(token, "a finite number");
      out = token.number;
      return true;
    case TokenType::kStr:
      if (!IsUtf8(token.text())) return in.FailValue(token, "UTF-8");
      out = std::string(token.text());
      return true;
    case TokenType::kArray:
      out = Json::array();
      for (uint32_t i = 0; i < token.size; ++i) {
        if (!ReadTree(in, out.emplace_back())) return in.UnderIndex(i);
      }
      return true;
    case TokenType::kMap:
      out = Json::object();
      for (uint32_t pair = 0; pair < token.size; ++pair) {
        std::string key;
        if (!ReadText(in, kAnyRule, key)) return in.Under("(key)");
        const auto [entry, added] = out.emplace(key, nullptr);
        if (!added) return in.Fail("is given twice; expected once") || in.Under(Quoted(key));
        if (!ReadTree(in, *entry)) return in.Under(Quoted(key));
      }
      return true;
    case TokenType::kBin: {
      const std::string_view bytes = token.text();
      out = Json::binary({bytes.begin(), bytes.end()});
      return true;
    }
    case TokenType::kExt:
    case TokenType::kMissing: break;
  }
  return in.FailValue(token, "a map, an array, a str, a bin, a number, a bool or nil");
}

void WriteTree(WireWriter& out, const Json& tree);

void WriteObject(WireWriter& out, const Json::object_t& object) {
  // As in WriteEnvironment, keys must stay unique when they are converted to UTF-8.
  for (const auto& [key, value] : object) {
    if (IsUtf8(key)) continue;
    Json::object_t repaired;
    std::string scratch;
    for (const auto& [bytes, subtree] : object) {
      repaired.try_emplace(std::string(RepairUtf8(bytes, scratch)), subtree);
    }
    return WriteObject(out, repaired);
  }
  out.Map(object.size());
  for (const auto& [key, value] : object) {
    out.Name(key);
    WriteTree(out, value);
  }
}

void WriteTree(WireWriter& out, const Json& tree) {
  switch (tree.type()) {
    case Json::value_t::boolean: return out.Bool(tree.get<bool>());
    case Json::value_t::number_integer: return out.Int(tree.get<int64_t>());
    case Json::value_t::number_unsigned: return out.Uint(tree.get<uint64_t>());
    case Json::value_t::number_float: return out.Number(tree.get<double>());
    case Json::value_t::string: return out.Text(tree.get_ref<const std::string&>());
    case Json::value_t::object: return WriteObject(out, tree.get_ref<const Json::object_t&>());
    case Json::value_t::array:
      out.Array(tree.size());
      for (const Json& element : tree) WriteTree(out, element);
      return;
    case Json::value_t::binary: return out.Bytes(tree.get_binary());
    case Json::value_t::null:
    case Json::value_t::discarded: return out.Nil();
  }
}

}  // namespace

bool ReadJob(TapeReader& in, JobSpec& out) {
  const Token& map = in.Peek();
  if (map.type != TokenType::kMap) return in.FailValue(map, "a map: a job, as in a pipeline file");
  Json tree;
  if (!ReadTree(in, tree)) return false;
  Result<JobSpec> spec = ReadJobSpec(tree);
  if (!spec.ok()) return in.FailAlone(spec.error());
  out = *std::move(spec);
  return true;
}

void WriteJob(WireWriter& out, const JobSpec& spec) { WriteTree(out, JobSpecToJson(spec)); }

}  // namespace bellis::wire
