#include "examples/zarr/box.h"

#include <gtest/gtest.h>

#include <numeric>

namespace bellis::examples {
namespace {

TEST(Box, IntersectsPerDimension) {
  const Box a{{0, -5}, {10, 10}};
  EXPECT_EQ(Intersect(a, {{4, 0}, {100, 2}}), (Box{{4, 0}, {6, 2}}));
  EXPECT_TRUE(Intersect(a, {{20, 0}, {1, 1}}).empty());
}

TEST(Box, ContainsWhatLiesWithin) {
  const Box box{{-2, 0}, {4, 4}};
  EXPECT_TRUE(box.Contains(box));
  EXPECT_TRUE(box.Contains({{1, 3}, {1, 1}}));
  EXPECT_FALSE(box.Contains({{1, 3}, {2, 1}}));
  EXPECT_FALSE(box.Contains({{-3, 0}, {1, 1}}));
  EXPECT_FALSE(box.Contains({{0}, {1}}));
}

TEST(Box, VisitsIndicesInRowMajorOrder) {
  std::vector<Index> visited;
  ForEachIndex({{-1, 5}, {2, 2}}, [&](const Index& index) { visited.push_back(index); });
  EXPECT_EQ(visited, (std::vector<Index>{{-1, 5}, {-1, 6}, {0, 5}, {0, 6}}));
}

TEST(Box, VisitsNothingOfAnEmptyBox) {
  ForEachIndex({{0, 0}, {3, 0}}, [](const Index&) { FAIL(); });
}

TEST(Box, CropsInThreeDimensions) {
  std::vector<int> values(24);
  std::iota(values.begin(), values.end(), 0);
  const Box from{{10, 20, 30}, {2, 3, 4}};
  EXPECT_EQ(Crop<int>(values, from, {{11, 21, 31}, {1, 2, 2}}), (std::vector<int>{17, 18, 21, 22}));
}

TEST(Box, RefusesToCropBeyondTheBuffer) {
  const std::vector<int> values(6);
  EXPECT_THROW(Crop<int>(values, {{0, 0}, {2, 3}}, {{1, 1}, {2, 2}}), std::invalid_argument);
  EXPECT_THROW(Crop<int>(values, {{0, 0}, {2, 4}}, {{0, 0}, {1, 1}}), std::invalid_argument);
}

TEST(Box, ElementCountRefusesOverflow) {
  EXPECT_EQ(ElementCount({3, 512, 512}), 786432);
  EXPECT_EQ(ElementCount({int64_t{1} << 62, int64_t{1} << 62, 0}), 0);
  EXPECT_THROW(ElementCount({int64_t{1} << 32, int64_t{1} << 31}), std::overflow_error);
}

}  // namespace
}  // namespace bellis::examples
