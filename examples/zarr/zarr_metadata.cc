#include "examples/zarr/zarr_metadata.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "examples/zarr/zarr_error.h"

namespace bellis::examples {
namespace {

using nlohmann::json;

static_assert(std::endian::native == std::endian::little, "elements are copied as they are");

// Below Blosc's limit, and more than a worker should hold in memory.
constexpr int64_t kChunkBytesMax = int64_t{1} << 30;
// The most elements of an extent, so that the end of a chunk at the border fits in an int64.
constexpr int64_t kExtentMax = int64_t{1} << 61;

size_t ItemSize(DataType dtype) {
  switch (dtype) {
    case DataType::kUint8: return 1;
    case DataType::kUint32:
    case DataType::kFloat32: return 4;
    case DataType::kFloat64: return 8;
  }
  return 0;
}

/// The fields of one .zarray, each with the checks that it needs.
class Fields {
 public:
  explicit Fields(const std::filesystem::path& file) : file_(file) {
    std::ifstream stream(file);
    if (!stream) {
      throw ZarrError(file, "cannot be read; accepted: the .zarray of a Zarr v2 array");
    }
    tree_ = json::parse(stream, nullptr, /*allow_exceptions=*/false);
    if (!tree_.is_object()) throw ZarrError(file, "is not a JSON object");
  }

  const json& operator[](const char* field) const {
    const auto found = tree_.find(field);
    if (found == tree_.end()) throw ZarrError(file_, std::string(field) + " is missing");
    return *found;
  }

  bool Has(const char* field) const { return tree_.contains(field); }

  [[noreturn]] void Refuse(const char* field, const std::string& accepted) const {
    throw ZarrError(
        file_, std::string(field) + " is " + (*this)[field].dump() + "; accepted: " + accepted);
  }

  void Require(const char* field, const json& value) const {
    if ((*this)[field] != value) Refuse(field, value.dump());
  }

  Index IndexOf(const char* field, int64_t min) const {
    const json& value = (*this)[field];
    const std::string accepted = "a list of integers, each from " + std::to_string(min) + " to " +
                                 std::to_string(kExtentMax);
    if (!value.is_array() || value.empty()) Refuse(field, accepted);
    Index index;
    for (const json& item : value) {
      if (!item.is_number_integer() || item < min || item > kExtentMax) {
        Refuse(field, accepted);
      }
      index.push_back(item.get<int64_t>());
    }
    return index;
  }

 private:
  std::filesystem::path file_;
  json tree_;
};

DataType ReadDataType(const Fields& fields) {
  const json& name = fields["dtype"];
  for (const DataType dtype :
       {DataType::kUint8, DataType::kUint32, DataType::kFloat32, DataType::kFloat64}) {
    if (name == DataTypeName(dtype)) return dtype;
  }
  fields.Refuse("dtype", "\"|u1\", \"<u4\", \"<f4\" or \"<f8\"");
}

template <typename T>
std::array<std::byte, 8> ElementBytes(T value) {
  std::array<std::byte, 8> bytes{};
  std::memcpy(bytes.data(), &value, sizeof(value));
  return bytes;
}

template <typename T>
std::array<std::byte, 8> ReadUnsignedFill(const Fields& fields) {
  const json& value = fields["fill_value"];
  constexpr T kMax = std::numeric_limits<T>::max();
  if (!value.is_number() || value < 0 || value > kMax ||
      value.get<double>() != std::trunc(value.get<double>())) {
    fields.Refuse("fill_value", "null, or an integer from 0 to " + std::to_string(kMax));
  }
  return ElementBytes(static_cast<T>(value.get<double>()));
}

double ReadFloatFill(const Fields& fields) {
  const json& value = fields["fill_value"];
  if (value.is_number()) return value.get<double>();
  if (value == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (value == "Infinity") return std::numeric_limits<double>::infinity();
  if (value == "-Infinity") return -std::numeric_limits<double>::infinity();
  fields.Refuse("fill_value", "null, a number, \"NaN\", \"Infinity\" or \"-Infinity\"");
}

std::array<std::byte, 8> ReadFill(const Fields& fields, DataType dtype) {
  if (fields["fill_value"].is_null()) return {};
  switch (dtype) {
    case DataType::kUint8: return ReadUnsignedFill<uint8_t>(fields);
    case DataType::kUint32: return ReadUnsignedFill<uint32_t>(fields);
    case DataType::kFloat32: return ElementBytes(static_cast<float>(ReadFloatFill(fields)));
    case DataType::kFloat64: return ElementBytes(ReadFloatFill(fields));
  }
  return {};
}

}  // namespace

const char* DataTypeName(DataType dtype) {
  switch (dtype) {
    case DataType::kUint8: return "|u1";
    case DataType::kUint32: return "<u4";
    case DataType::kFloat32: return "<f4";
    case DataType::kFloat64: return "<f8";
  }
  return "?";
}

size_t ZarrMetadata::item_size() const { return ItemSize(dtype); }

size_t ZarrMetadata::chunk_bytes() const {
  return static_cast<size_t>(ElementCount(chunk_shape)) * item_size();
}

ZarrMetadata ReadZarrMetadata(const std::filesystem::path& array) {
  const std::filesystem::path file = array / ".zarray";
  const Fields fields(file);
  fields.Require("zarr_format", 2);
  fields.Require("order", "C");
  fields.Require("filters", nullptr);

  const Index shape = fields.IndexOf("shape", 0);
  const Index chunk_shape = fields.IndexOf("chunks", 1);
  const DataType dtype = ReadDataType(fields);
  if (chunk_shape.size() != shape.size()) {
    fields.Refuse("chunks", "as many integers as shape has, " + std::to_string(shape.size()));
  }
  try {
    ElementCount(shape);
  } catch (const std::overflow_error& error) {
    fields.Refuse("shape", error.what());
  }
  int64_t chunk_bytes = static_cast<int64_t>(ItemSize(dtype));
  for (const int64_t size : chunk_shape) {
    if (__builtin_mul_overflow(chunk_bytes, size, &chunk_bytes) || chunk_bytes > kChunkBytesMax) {
      fields.Refuse("chunks", "chunks of at most " + std::to_string(kChunkBytesMax) + " bytes");
    }
  }

  char separator = '.';
  if (fields.Has("dimension_separator")) {
    const json& value = fields["dimension_separator"];
    if (value != "." && value != "/") fields.Refuse("dimension_separator", "\".\" or \"/\"");
    separator = value.get<std::string>()[0];
  }
  try {
    return {.shape = shape,
            .chunk_shape = chunk_shape,
            .dtype = dtype,
            .codec = ChunkCodec::FromJson(fields["compressor"]),
            .fill = ReadFill(fields, dtype),
            .separator = separator};
  } catch (const std::invalid_argument& error) {
    throw ZarrError(file, error.what());
  }
}

}  // namespace bellis::examples
