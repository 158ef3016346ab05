// The codec against tests/conformance/vectors: what means the same is read as the same, and what is
// refused names its field.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/common/protocol/sample_messages.h"

namespace bellis {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

std::string BytesOf(const Json& vector) {
  const auto hex = vector["hex"].get<std::string>();
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

/// The files, by the name of their message.
std::map<std::string, Json> Vectors() {
  std::map<std::string, Json> vectors;
  for (const auto& entry : fs::directory_iterator(BELLIS_SOURCE_DIR "/tests/conformance/vectors")) {
    std::ifstream file(entry.path());
    vectors[entry.path().stem().string()] = Json::parse(file);
  }
  return vectors;
}

TEST(ConformanceVectors, EveryEncodingOfAMessageIsReadAsTheSame) {
  size_t count = 0;
  for (const auto& [name, vector] : Vectors()) {
    if (!vector.contains("message")) continue;
    DecodeResult meant = Decoded(BytesOf(vector["encodings"][0]));
    ASSERT_TRUE(meant.ok()) << name;
    EXPECT_EQ(KindName(meant.message()), name);
    for (const Json& encoding : vector["encodings"]) {
      ++count;
      DecodeResult read = Decoded(BytesOf(encoding));
      ASSERT_TRUE(read.ok()) << name << ", " << encoding["how"] << ": " << read.error().message;
      EXPECT_EQ(read.message(), meant.message()) << name << ", " << encoding["how"];
    }
  }
  EXPECT_GT(count, 250u);
}

TEST(ConformanceVectors, WhatIsRefusedSaysWhichFieldIsWrong) {
  size_t count = 0;
  for (const auto& [name, vector] : Vectors()) {
    for (const Json& wrong : vector["refused"]) {
      ++count;
      DecodeResult read = Decoded(BytesOf(wrong));
      if (read.ok()) {
        ADD_FAILURE() << name << ", " << wrong["how"] << ": it was accepted";
        continue;
      }
      EXPECT_EQ(ErrorCodeName(read.error().code), wrong["code"].get<std::string>())
          << name << ", " << wrong["how"];
      const std::string names = wrong.value("names", "");
      EXPECT_NE(read.error().message.find(names), std::string::npos)
          << wrong["how"] << ": " << read.error().message;
    }
  }
  EXPECT_GT(count, 700u);
}

}  // namespace
}  // namespace bellis
