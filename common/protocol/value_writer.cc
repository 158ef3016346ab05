#include "common/protocol/value_writer.h"

namespace bellis::wire {
namespace {

void WriteInts(WireWriter& out, const Coordinate& values) {
  out.Array(static_cast<size_t>(values.rank()));
  for (const int64_t value : values) out.Int(value);
}

}  // namespace

void WriteRoi(WireWriter& out, const Roi& roi) {
  out.Array(2);
  WriteInts(out, roi.offset());
  WriteInts(out, roi.shape());
}

void WriteEnvironment(WireWriter& out, const Environment& env) {
  // Two names can become equal when they are converted to UTF-8, but a name may be written only
  // once: the first one is.
  for (const auto& [name, value] : env) {
    if (IsUtf8(name)) continue;
    Environment repaired;
    std::string scratch;
    for (const auto& [bytes, text] : env) {
      repaired.try_emplace(std::string(RepairUtf8(bytes, scratch)), text);
    }
    return WriteEnvironment(out, repaired);
  }
  out.Map(env.size());
  for (const auto& [name, value] : env) {
    out.Name(name);
    out.Text(value);
  }
}

}  // namespace bellis::wire
