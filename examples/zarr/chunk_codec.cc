#include "examples/zarr/chunk_codec.h"

#include <blosc.h>
#include <zlib.h>

#include <nlohmann/json.hpp>
#include <stdexcept>

namespace bellis::examples {
namespace {

using nlohmann::json;

int IntegerField(const json& compressor, const char* field, int fallback, int min, int max) {
  const auto found = compressor.find(field);
  if (found == compressor.end()) return fallback;
  if (found->is_number_integer()) {
    const auto value = found->get<int64_t>();
    if (value >= min && value <= max) return static_cast<int>(value);
  }
  throw std::invalid_argument("compressor." + std::string(field) + " is " + found->dump() +
                              "; accepted: " + std::to_string(min) + " to " + std::to_string(max));
}

void CheckSize(size_t actual, size_t expected) {
  if (actual != expected) {
    throw std::runtime_error("holds " + std::to_string(actual) + " bytes; a chunk has " +
                             std::to_string(expected));
  }
}

std::vector<std::byte> DecodeBlosc(std::span<const std::byte> file, size_t chunk_bytes) {
  size_t decoded_bytes = 0;
  if (blosc_cbuffer_validate(file.data(), file.size(), &decoded_bytes) != 0) {
    throw std::runtime_error("is not a Blosc buffer");
  }
  CheckSize(decoded_bytes, chunk_bytes);
  std::vector<std::byte> chunk(chunk_bytes);
  const int result = blosc_decompress_ctx(file.data(), chunk.data(), chunk.size(), 1);
  if (result < 0 || static_cast<size_t>(result) != chunk_bytes) {
    throw std::runtime_error("does not decode: libblosc returned " + std::to_string(result));
  }
  return chunk;
}

std::vector<std::byte> DecodeZlib(std::span<const std::byte> file, size_t chunk_bytes) {
  // The buffer has one byte more than the chunk, so that a stream that is too long is noticed.
  std::vector<std::byte> chunk(chunk_bytes + 1);
  uLongf decoded_bytes = chunk.size();
  const int result = uncompress(reinterpret_cast<Bytef*>(chunk.data()), &decoded_bytes,
                                reinterpret_cast<const Bytef*>(file.data()), file.size());
  if (result != Z_OK && result != Z_BUF_ERROR) {
    throw std::runtime_error("does not decode: zlib returned " + std::to_string(result));
  }
  CheckSize(decoded_bytes, chunk_bytes);
  if (result != Z_OK) throw std::runtime_error("does not decode: the zlib stream has no end");
  chunk.resize(chunk_bytes);
  return chunk;
}

}  // namespace

ChunkCodec ChunkCodec::FromJson(const json& compressor) {
  ChunkCodec codec;
  if (compressor.is_null()) return codec;
  const auto id = compressor.is_object() ? compressor.find("id") : compressor.end();
  if (!compressor.is_object() || id == compressor.end() || (*id != "blosc" && *id != "zlib")) {
    throw std::invalid_argument("compressor is " + compressor.dump() +
                                "; accepted: null, or an object with id blosc or zlib");
  }
  if (*id == "zlib") {
    codec.kind_ = Kind::kZlib;
    codec.level_ = IntegerField(compressor, "level", 1, -1, 9);
    return codec;
  }
  codec.kind_ = Kind::kBlosc;
  codec.level_ = IntegerField(compressor, "clevel", 5, 0, 9);
  codec.blosc_shuffle_ = IntegerField(compressor, "shuffle", 1, -1, 2);
  codec.blosc_block_bytes_ =
      static_cast<size_t>(IntegerField(compressor, "blocksize", 0, 0, BLOSC_MAX_BUFFERSIZE));
  const json name = compressor.value("cname", json("lz4"));
  if (!name.is_string() || blosc_compname_to_compcode(name.get<std::string>().c_str()) < 0) {
    throw std::invalid_argument("compressor.cname is " + name.dump() +
                                "; accepted: " + blosc_list_compressors());
  }
  codec.blosc_codec_ = name;
  return codec;
}

std::vector<std::byte> ChunkCodec::Encode(std::span<const std::byte> chunk,
                                          size_t item_size) const {
  switch (kind_) {
    case Kind::kNone: break;
    case Kind::kBlosc: {
      const int automatic = item_size == 1 ? BLOSC_BITSHUFFLE : BLOSC_SHUFFLE;
      std::vector<std::byte> file(chunk.size() + BLOSC_MAX_OVERHEAD);
      const int result = blosc_compress_ctx(
          level_, blosc_shuffle_ < 0 ? automatic : blosc_shuffle_, item_size, chunk.size(),
          chunk.data(), file.data(), file.size(), blosc_codec_.c_str(), blosc_block_bytes_, 1);
      if (result <= 0) {
        throw std::runtime_error("does not encode: libblosc returned " + std::to_string(result));
      }
      file.resize(static_cast<size_t>(result));
      return file;
    }
    case Kind::kZlib: {
      uLongf encoded_bytes = compressBound(chunk.size());
      std::vector<std::byte> file(encoded_bytes);
      const int result =
          compress2(reinterpret_cast<Bytef*>(file.data()), &encoded_bytes,
                    reinterpret_cast<const Bytef*>(chunk.data()), chunk.size(), level_);
      if (result != Z_OK) {
        throw std::runtime_error("does not encode: zlib returned " + std::to_string(result));
      }
      file.resize(encoded_bytes);
      return file;
    }
  }
  return {chunk.begin(), chunk.end()};
}

std::vector<std::byte> ChunkCodec::Decode(std::span<const std::byte> file,
                                          size_t chunk_bytes) const {
  switch (kind_) {
    case Kind::kNone: break;
    case Kind::kBlosc: return DecodeBlosc(file, chunk_bytes);
    case Kind::kZlib: return DecodeZlib(file, chunk_bytes);
  }
  CheckSize(file.size(), chunk_bytes);
  return {file.begin(), file.end()};
}

}  // namespace bellis::examples
