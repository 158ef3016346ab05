#include "examples/zarr/zarr_array.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <random>

#include "tests/examples/temporary_array.h"

namespace bellis::examples {
namespace {

using nlohmann::json;

/// The text of the ZarrError that `action` throws; "no error" when it throws none.
template <typename Action>
std::string ErrorOf(Action action) {
  try {
    action();
  } catch (const ZarrError& error) {
    return error.what();
  }
  return "no error";
}

template <typename T>
std::vector<T> Counting(size_t count) {
  std::vector<T> values(count);
  std::iota(values.begin(), values.end(), T{1});
  return values;
}

template <typename T>
void Write(const ZarrArray& array, const Box& box, const std::vector<T>& values) {
  array.Write<T>(box, values);
}

TEST(ZarrArray, ReadsWhatItWroteAcrossChunks) {
  const TemporaryArray directory(Metadata({5, 7}, {2, 3}, "<u4"));
  const ZarrArray array = ZarrArray::Open(directory.path());
  const auto values = Counting<uint32_t>(35);
  Write(array, array.bounds(), values);
  EXPECT_EQ(array.Read<uint32_t>(array.bounds()), values);
  EXPECT_EQ(array.Read<uint32_t>({{1, 2}, {2, 3}}),
            (std::vector<uint32_t>{10, 11, 12, 17, 18, 19}));
}

TEST(ZarrArray, FillsWhatLiesOutside) {
  const TemporaryArray directory(Metadata({2, 2}, {2, 2}, "<f4"));
  const ZarrArray array = ZarrArray::Open(directory.path());
  Write(array, array.bounds(), Counting<float>(4));
  EXPECT_EQ(array.Read<float>({{-1, -1}, {2, 4}}), (std::vector<float>{0, 0, 0, 0, 0, 1, 2, 0}));
  EXPECT_EQ(array.Read<float>({{1, 1}, {2, 2}}, 9.0F), (std::vector<float>{4, 9, 9, 9}));
  EXPECT_EQ(array.Read<float>({{-9, 40}, {1, 2}}), (std::vector<float>{0, 0}));
  EXPECT_TRUE(array.Read<float>({{0, 0}, {0, 2}}).empty());
}

TEST(ZarrArray, ReadsTheFillValueWhereAChunkHasNoFile) {
  const Box all{{0}, {2}};
  json metadata = Metadata({2}, {2}, "<u4");
  metadata["fill_value"] = 4294967295;
  EXPECT_EQ(ZarrArray::Open(TemporaryArray(metadata).path()).Read<uint32_t>(all),
            (std::vector<uint32_t>{4294967295, 4294967295}));
  metadata["fill_value"] = nullptr;
  EXPECT_EQ(ZarrArray::Open(TemporaryArray(metadata).path()).Read<uint32_t>(all),
            (std::vector<uint32_t>{0, 0}));
  metadata["dtype"] = "<f8";
  metadata["fill_value"] = "NaN";
  EXPECT_TRUE(std::isnan(ZarrArray::Open(TemporaryArray(metadata).path()).Read<double>(all)[1]));
  metadata["fill_value"] = "-Infinity";
  EXPECT_EQ(ZarrArray::Open(TemporaryArray(metadata).path()).Read<double>(all)[1], -INFINITY);
  metadata["dtype"] = "<f4";
  metadata["fill_value"] = 0.5;
  EXPECT_EQ(ZarrArray::Open(TemporaryArray(metadata).path()).Read<float>(all)[1], 0.5F);
}

TEST(ZarrArray, KeepsTheRestOfAChunkThatIsWrittenInPart) {
  json metadata = Metadata({4}, {4}, "|u1");
  metadata["fill_value"] = 7;
  const TemporaryArray directory(metadata);
  const ZarrArray array = ZarrArray::Open(directory.path());
  Write<uint8_t>(array, {{1}, {1}}, {1});
  Write<uint8_t>(array, {{2}, {1}}, {2});
  EXPECT_EQ(array.Read<uint8_t>(array.bounds()), (std::vector<uint8_t>{7, 1, 2, 7}));
}

TEST(ZarrArray, ReplacesACoveredChunkWithoutReadingIt) {
  const TemporaryArray directory(Metadata({3}, {2}, "|u1"));
  directory.WriteFile("0", "damaged");
  directory.WriteFile("1", "damaged");
  const ZarrArray array = ZarrArray::Open(directory.path());
  Write<uint8_t>(array, array.bounds(), {1, 2, 3});
  EXPECT_EQ(array.Read<uint8_t>(array.bounds()), (std::vector<uint8_t>{1, 2, 3}));
}

TEST(ZarrArray, StoresWholeChunksAtTheBorderPaddedWithTheFillValue) {
  json metadata = Metadata({3}, {2}, "|u1");
  metadata["fill_value"] = 65;
  const TemporaryArray directory(metadata);
  Write<uint8_t>(ZarrArray::Open(directory.path()), {{0}, {3}}, {97, 98, 99});
  EXPECT_EQ(directory.ReadFile("0"), "ab");
  EXPECT_EQ(directory.ReadFile("1"), "cA");
}

TEST(ZarrArray, TouchesOnlyTheChunksThatABoxMeets) {
  const TemporaryArray directory(Metadata({6, 6}, {2, 2}, "|u1"));
  Write<uint8_t>(ZarrArray::Open(directory.path()), {{2, 4}, {2, 2}}, {1, 2, 3, 4});
  EXPECT_TRUE(directory.Has("1.2"));
  EXPECT_EQ(directory.file_count(), 2u);  // the chunk and .zarray, but no temporary file
}

TEST(ZarrArray, KeepsChunksInFoldersWithTheSlashSeparator) {
  json metadata = Metadata({4, 4}, {2, 2}, "<u4");
  metadata["dimension_separator"] = "/";
  const TemporaryArray directory(metadata);
  const ZarrArray array = ZarrArray::Open(directory.path());
  const auto values = Counting<uint32_t>(16);
  Write(array, array.bounds(), values);
  EXPECT_TRUE(directory.Has("1/0"));
  EXPECT_EQ(array.Read<uint32_t>(array.bounds()), values);
}

TEST(ZarrArray, AgreesWithADenseArrayOnRandomBoxes) {
  std::mt19937 random(7);
  const auto pick = [&random](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  };
  for (const json& compressor : {json(nullptr), json{{"id", "blosc"}}, json{{"id", "zlib"}}}) {
    const Index shape{5, 9, 11};
    json metadata = Metadata(shape, {2, 4, 3}, "<f8");
    metadata["compressor"] = compressor;
    const TemporaryArray directory(metadata);
    const ZarrArray array = ZarrArray::Open(directory.path());
    std::vector<double> dense(static_cast<size_t>(ElementCount(shape)), 0.0);
    const auto at = [&dense](const Index& index) -> double& {
      return dense[static_cast<size_t>((index[0] * 9 + index[1]) * 11 + index[2])];
    };
    for (int round = 0; round < 60; ++round) {
      Box box{{0, 0, 0}, {0, 0, 0}};
      for (size_t dim = 0; dim < 3; ++dim) {
        box.begin[dim] = pick(0, shape[dim]);
        box.shape[dim] = pick(0, shape[dim] - box.begin[dim]);
      }
      std::vector<double> values;
      ForEachIndex(box, [&](const Index& index) {
        values.push_back(static_cast<double>(pick(0, 1000)));
        at(index) = values.back();
      });
      Write(array, box, values);

      Box read{{0, 0, 0}, {0, 0, 0}};
      for (size_t dim = 0; dim < 3; ++dim) {
        read.begin[dim] = pick(-4, shape[dim] + 2);
        read.shape[dim] = pick(0, 12);
      }
      std::vector<double> expected;
      ForEachIndex(read, [&](const Index& index) {
        const bool inside = array.bounds().Contains({index, {1, 1, 1}});
        expected.push_back(inside ? at(index) : -1.0);
      });
      ASSERT_EQ(array.Read<double>(read, -1.0), expected) << ToString(read);
    }
  }
}

TEST(ZarrArray, RefusesAWriteThatDoesNotFitBeforeItWritesAnything) {
  const TemporaryArray directory(Metadata({4, 4}, {2, 2}, "<u4"));
  const ZarrArray array = ZarrArray::Open(directory.path());
  const std::string path = directory.path().string();
  EXPECT_EQ(ErrorOf([&] {
              Write<uint32_t>(array, {{3, 0}, {2, 1}}, {1, 2});
            }),
            path + ": box [3:5, 0:1] cannot be written; accepted: within [0:4, 0:4]");
  EXPECT_EQ(ErrorOf([&] {
              Write<uint32_t>(array, {{0, 0}, {2, 1}}, {1, 2, 3});
            }),
            path + ": 3 values cannot be written to box [0:2, 0:1]; accepted: 2");
  EXPECT_EQ(ErrorOf([&] {
              Write<float>(array, {{0, 0}, {1, 1}}, {1});
            }),
            path + ": dtype is <u4; it is accessed as <f4");
  EXPECT_EQ(directory.file_count(), 1u);
}

TEST(ZarrArray, RefusesBoxesThatMakeNoSense) {
  const TemporaryArray directory(Metadata({4, 4}, {2, 2}, "<u4"));
  const ZarrArray array = ZarrArray::Open(directory.path());
  const auto refusal = [&](const Box& box) { return ErrorOf([&] { array.Read<uint32_t>(box); }); };
  EXPECT_NE(refusal({{0}, {1}}).find("has rank 1; accepted: 2"), std::string::npos);
  EXPECT_NE(refusal({{0, 0}, {1}}), "no error");
  EXPECT_NE(refusal({{0, 0}, {1, -1}}), "no error");
  EXPECT_NE(refusal({{0, INT64_MAX}, {1, 1}}), "no error");
  EXPECT_NE(refusal({{0, 0}, {int64_t{1} << 40, int64_t{1} << 40}}), "no error");
}

TEST(ZarrArray, NamesTheFileOfADamagedChunk) {
  const TemporaryArray directory(Metadata({4}, {2}, "<u4"));
  directory.WriteFile("1", "abc");
  const ZarrArray array = ZarrArray::Open(directory.path());
  EXPECT_EQ(ErrorOf([&] {
              array.Read<uint32_t>({{0}, {4}});
            }),
            (directory.path() / "1").string() + ": holds 3 bytes; a chunk has 8");
}

TEST(ZarrArray, NamesTheFileThatCannotBeWritten) {
  json metadata = Metadata({4, 4}, {2, 2}, "|u1");
  metadata["dimension_separator"] = "/";
  const TemporaryArray directory(metadata);
  directory.WriteFile("0", "a file where a folder should be");
  const ZarrArray array = ZarrArray::Open(directory.path());
  const std::string error = ErrorOf([&] { Write<uint8_t>(array, {{0, 0}, {2, 2}}, {1, 2, 3, 4}); });
  EXPECT_EQ(error.find((directory.path() / "0/0").string() + ": "), 0u) << error;
  EXPECT_EQ(directory.file_count(), 2u);
}

struct Unsupported {
  const char* field;
  json value;
  const char* message;  // what the error says after the path
};

TEST(ZarrArray, RefusesUnsupportedMetadataWithFieldValueAndWhatIsAccepted) {
  const std::vector<Unsupported> all = {
      {"zarr_format", 3, "zarr_format is 3; accepted: 2"},
      {"order", "F", "order is \"F\"; accepted: \"C\""},
      {"filters", json::array({{{"id", "delta"}}}),
       "filters is [{\"id\":\"delta\"}]; accepted: null"},
      {"dtype", ">u4", "dtype is \">u4\"; accepted: \"|u1\", \"<u4\", \"<f4\" or \"<f8\""},
      {"chunks", {2}, "chunks is [2]; accepted: as many integers as shape has, 2"},
      {"chunks",
       {2, 0},
       "chunks is [2,0]; accepted: a list of integers, each from 1 to "
       "2305843009213693952"},
      {"chunks",
       {1 << 20, 1 << 20},
       "chunks is [1048576,1048576]; accepted: chunks of at most 1073741824 bytes"},
      {"shape",
       {4, -1},
       "shape is [4,-1]; accepted: a list of integers, each from 0 to "
       "2305843009213693952"},
      {"shape", "4",
       "shape is \"4\"; accepted: a list of integers, each from 0 to "
       "2305843009213693952"},
      {"fill_value", -1, "fill_value is -1; accepted: null, or an integer from 0 to 4294967295"},
      {"fill_value", 0.5, "fill_value is 0.5; accepted: null, or an integer from 0 to 4294967295"},
      {"dimension_separator", "-", "dimension_separator is \"-\"; accepted: \".\" or \"/\""},
      {"compressor",
       {{"id", "gzip"}},
       "compressor is {\"id\":\"gzip\"}; accepted: null, or an object with id blosc "
       "or zlib"}};
  for (const Unsupported& unsupported : all) {
    json metadata = Metadata({4, 4}, {2, 2}, "<u4");
    metadata[unsupported.field] = unsupported.value;
    const TemporaryArray directory(metadata);
    EXPECT_EQ(ErrorOf([&] { ZarrArray::Open(directory.path()); }),
              (directory.path() / ".zarray").string() + ": " + unsupported.message);
  }
}

TEST(ZarrArray, RefusesADirectoryThatIsNoArray) {
  const TemporaryArray directory(Metadata({4}, {2}, "<u4"));
  directory.WriteFile(".zarray", "{\"zarr_format\": 2");
  EXPECT_EQ(ErrorOf([&] { ZarrArray::Open(directory.path()); }),
            (directory.path() / ".zarray").string() + ": is not a JSON object");
  directory.WriteFile(".zarray", "{\"zarr_format\": 2}");
  EXPECT_EQ(ErrorOf([&] { ZarrArray::Open(directory.path()); }),
            (directory.path() / ".zarray").string() + ": order is missing");
  EXPECT_EQ(ErrorOf([&] { ZarrArray::Open(directory.path() / "none"); }),
            (directory.path() / "none/.zarray").string() +
                ": cannot be read; accepted: the .zarray of a Zarr v2 array");
}

}  // namespace
}  // namespace bellis::examples
