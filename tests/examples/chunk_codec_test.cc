#include "examples/zarr/chunk_codec.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>
#include <stdexcept>
#include <string>

namespace bellis::examples {
namespace {

using nlohmann::json;
using Bytes = std::vector<std::byte>;

/// Small numbers of 4 bytes, as labels are: they compress.
Bytes SmallNumbers(size_t bytes) {
  Bytes chunk(bytes);
  for (size_t i = 0; i < bytes; i += 4) chunk[i] = static_cast<std::byte>(i / 64);
  return chunk;
}

json Blosc(const std::string& codec, int shuffle) {
  return {{"id", "blosc"}, {"cname", codec}, {"clevel", 5}, {"shuffle", shuffle}, {"blocksize", 0}};
}

const json kZlib = {{"id", "zlib"}, {"level", 1}};

TEST(ChunkCodec, DecodesWhatItEncoded) {
  const Bytes chunk = SmallNumbers(4096);
  for (const json& compressor :
       {json(nullptr), kZlib, Blosc("lz4", 1), Blosc("lz4", -1), Blosc("zstd", 2),
        Blosc("blosclz", 0), Blosc("zlib", 1), json{{"id", "blosc"}}}) {
    const ChunkCodec codec = ChunkCodec::FromJson(compressor);
    const Bytes file = codec.Encode(chunk, 4);
    EXPECT_EQ(codec.Decode(file, chunk.size()), chunk) << compressor;
    EXPECT_EQ(file.size() < chunk.size() / 2, !compressor.is_null()) << compressor;
  }
}

TEST(ChunkCodec, RefusesSettingsWithTheFieldAndWhatIsAccepted) {
  const auto refusal = [](const json& compressor) -> std::string {
    try {
      ChunkCodec::FromJson(compressor);
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_EQ(refusal({{"id", "bz2"}}),
            "compressor is {\"id\":\"bz2\"}; accepted: null, or an object with id blosc or zlib");
  EXPECT_EQ(refusal({{"id", "zlib"}, {"level", 10}}), "compressor.level is 10; accepted: -1 to 9");
  EXPECT_EQ(refusal({{"id", "blosc"}, {"clevel", "5"}}),
            "compressor.clevel is \"5\"; accepted: 0 to 9");
  EXPECT_EQ(refusal({{"id", "blosc"}, {"cname", "lzma"}}).substr(0, 38),
            "compressor.cname is \"lzma\"; accepted: ");
  EXPECT_NE(refusal(json::array()), "accepted");
  EXPECT_NE(refusal("zlib"), "accepted");
  EXPECT_NE(refusal(json::object()), "accepted");
}

TEST(ChunkCodec, RefusesAChunkOfAnotherSize) {
  for (const json& compressor : {json(nullptr), kZlib, Blosc("lz4", 1)}) {
    const ChunkCodec codec = ChunkCodec::FromJson(compressor);
    const Bytes file = codec.Encode(SmallNumbers(4096), 4);
    EXPECT_THROW(codec.Decode(file, 4092), std::runtime_error) << compressor;
    EXPECT_THROW(codec.Decode(file, 4100), std::runtime_error) << compressor;
  }
}

TEST(ChunkCodec, RefusesATruncatedFile) {
  for (const json& compressor : {json(nullptr), kZlib, Blosc("lz4", 1)}) {
    const ChunkCodec codec = ChunkCodec::FromJson(compressor);
    Bytes file = codec.Encode(SmallNumbers(4096), 4);
    while (!file.empty()) {
      file.pop_back();
      EXPECT_THROW(codec.Decode(file, 4096), std::runtime_error)
          << compressor << " at " << file.size();
    }
  }
}

TEST(ChunkCodec, SurvivesDamagedFiles) {
  std::mt19937 random(1);
  for (const json& compressor : {kZlib, Blosc("lz4", 1), Blosc("blosclz", 0), Blosc("zstd", 2)}) {
    const ChunkCodec codec = ChunkCodec::FromJson(compressor);
    const Bytes file = codec.Encode(SmallNumbers(4096), 4);
    for (int i = 0; i < 1000; ++i) {
      Bytes damaged = file;
      damaged[random() % damaged.size()] = static_cast<std::byte>(random());
      damaged[random() % damaged.size()] = static_cast<std::byte>(random());
      try {
        EXPECT_EQ(codec.Decode(damaged, 4096).size(), 4096u);
      } catch (const std::runtime_error&) {
      }
    }
  }
}

}  // namespace
}  // namespace bellis::examples
