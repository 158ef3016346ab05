#pragma once

// Converts one chunk of a Zarr v2 array between its bytes in memory and its bytes in a file. The
// bytes are raw (compressor null), Blosc (when libblosc decodes, it finds codec, level and shuffle
// in the chunk's own header), or zlib. https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html
//
// A codec is a value: copy it freely, use it from any thread.

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

namespace bellis::examples {

class ChunkCodec {
 public:
  /// The codec that the field `compressor` of .zarray describes.
  /// Throws std::invalid_argument, whose text names the field and what is accepted.
  static ChunkCodec FromJson(const nlohmann::json& compressor);

  /// The file's bytes for a chunk of elements of `item_size` bytes.
  /// Throws std::runtime_error if the library fails.
  std::vector<std::byte> Encode(std::span<const std::byte> chunk, size_t item_size) const;

  /// The chunk's bytes, exactly `chunk_bytes` of them. `file` may hold any bytes: throws
  /// std::runtime_error if they cannot be decoded, or give another size.
  std::vector<std::byte> Decode(std::span<const std::byte> file, size_t chunk_bytes) const;

 private:
  enum class Kind { kNone, kBlosc, kZlib };

  Kind kind_ = Kind::kNone;
  int level_ = 0;
  // For Blosc only:
  std::string blosc_codec_;
  int blosc_shuffle_ = 0;  // 0 none, 1 byte, 2 bit, -1 bit for elements of one byte, else byte
  size_t blosc_block_bytes_ = 0;  // 0: the library chooses
};

}  // namespace bellis::examples
