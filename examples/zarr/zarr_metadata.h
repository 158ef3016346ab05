#pragma once

// The metadata of a Zarr v2 array, from its file .zarray.

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>

#include "examples/zarr/box.h"
#include "examples/zarr/chunk_codec.h"

namespace bellis::examples {

enum class DataType { kUint8, kUint32, kFloat32, kFloat64 };

/// The type's name in .zarray, such as "<f4".
const char* DataTypeName(DataType dtype);

template <typename T>
inline constexpr std::optional<DataType> kDataTypeOf = std::nullopt;
template <>
inline constexpr std::optional<DataType> kDataTypeOf<uint8_t> = DataType::kUint8;
template <>
inline constexpr std::optional<DataType> kDataTypeOf<uint32_t> = DataType::kUint32;
template <>
inline constexpr std::optional<DataType> kDataTypeOf<float> = DataType::kFloat32;
template <>
inline constexpr std::optional<DataType> kDataTypeOf<double> = DataType::kFloat64;

struct ZarrMetadata {
  Index shape;
  Index chunk_shape;  // as long as `shape`, each at least 1; chunks at the border have it, too
  DataType dtype = DataType::kFloat32;
  ChunkCodec codec;
  std::array<std::byte, 8> fill{};  // one element, in its first item_size() bytes; null reads as 0
  char separator = '.';             // between the numbers of a chunk's name: '.' or '/'

  size_t item_size() const;
  size_t chunk_bytes() const;
};

/// Reads the array directory's .zarray.
/// Throws ZarrError when the file is missing, is not JSON, or asks for an unsupported feature.
ZarrMetadata ReadZarrMetadata(const std::filesystem::path& array);

}  // namespace bellis::examples
