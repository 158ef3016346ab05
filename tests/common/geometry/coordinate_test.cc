#include "bellis/coordinate.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <vector>

#include "common/geometry/checked.h"
#include "tests/common/geometry/wide.h"

namespace bellis {
namespace {

constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

/// Numbers at which results may change: around 0, around the ends, and far from both.
std::vector<int64_t> Edges() {
  std::vector<int64_t> edges;
  for (int64_t n = -12; n <= 12; ++n) edges.push_back(n);
  for (int64_t n = 0; n < 5; ++n) {
    edges.push_back(kMin + n);
    edges.push_back(kMax - n);
    edges.push_back(kWorldMax - 2 + n);
    edges.push_back(-kWorldMax - 2 + n);
    edges.push_back(kMax / 2 - 2 + n);
    edges.push_back(kMin / 2 - 2 + n);
  }
  return edges;
}

TEST(CheckedArithmetic, AgreesWithWideIntegersAtAllEdges) {
  for (const int64_t a : Edges()) {
    for (const int64_t b : Edges()) {
      const Wide sum = Wide{a} + b;
      const Wide difference = Wide{a} - b;
      const Wide product = Wide{a} * b;
      ASSERT_EQ(CheckedAdd(a, b).has_value(), Fits(sum)) << a << " + " << b;
      ASSERT_EQ(CheckedSub(a, b).has_value(), Fits(difference)) << a << " - " << b;
      ASSERT_EQ(CheckedMul(a, b).has_value(), Fits(product)) << a << " * " << b;
      if (Fits(sum)) {
        ASSERT_EQ(*CheckedAdd(a, b), static_cast<int64_t>(sum));
      }
      if (Fits(difference)) {
        ASSERT_EQ(*CheckedSub(a, b), static_cast<int64_t>(difference));
      }
      if (Fits(product)) {
        ASSERT_EQ(*CheckedMul(a, b), static_cast<int64_t>(product));
      }
    }
  }
}

TEST(Division, AgreesWithItsDefinitionAtAllEdges) {
  for (const int64_t a : Edges()) {
    for (const int64_t b : Edges()) {
      if (b < 1) continue;
      const Wide floor = WideFloor(a, b);
      const Wide ceil = -WideFloor(-Wide{a}, b);
      // Rounds to the nearer of floor and ceil; halves go to floor.
      const Wide round = (ceil * b - a) < (a - floor * b) ? ceil : floor;
      const Coordinate x{a};
      const Coordinate unit{b};
      ASSERT_EQ(x.FloorDivide(unit)[0], static_cast<int64_t>(floor)) << a << " / " << b;
      ASSERT_EQ(x.CeilDivide(unit)[0], static_cast<int64_t>(ceil)) << a << " / " << b;
      ASSERT_EQ(x.RoundDivide(unit)[0], static_cast<int64_t>(round)) << a << " / " << b;
      ASSERT_EQ(x.Modulo(unit)[0], static_cast<int64_t>(Wide{a} - floor * b)) << a << " % " << b;
      ASSERT_EQ(x.IsMultipleOf(unit), floor == ceil) << a << " % " << b;
    }
  }
}

TEST(Coordinate, WorksPerDimension) {
  const Coordinate a{7, -3, 0};
  const Coordinate b{2, 5, -4};
  EXPECT_EQ(a + b, (Coordinate{9, 2, -4}));
  EXPECT_EQ(a - b, (Coordinate{5, -8, 4}));
  EXPECT_EQ(a * b, (Coordinate{14, -15, 0}));
  EXPECT_EQ(-a, (Coordinate{-7, 3, 0}));
  EXPECT_EQ(a.Abs(), (Coordinate{7, 3, 0}));
  EXPECT_EQ(a.Min(b), (Coordinate{2, -3, -4}));
  EXPECT_EQ(a.Max(b), (Coordinate{7, 5, 0}));
  EXPECT_EQ(a.FloorDivide({2, 2, 2}), (Coordinate{3, -2, 0}));
  EXPECT_EQ(a.CeilDivide({2, 2, 2}), (Coordinate{4, -1, 0}));
  EXPECT_EQ(a.Modulo({2, 2, 2}), (Coordinate{1, 1, 0}));
  EXPECT_FALSE(a.IsMultipleOf({7, 2, 1}));
  EXPECT_TRUE(a.IsMultipleOf({7, 3, 100}));
}

TEST(Coordinate, RandomSumsAndProductsAgreeWithPlainArithmetic) {
  std::mt19937_64 random(1);
  std::uniform_int_distribution<int64_t> value(-1'000'000, 1'000'000);
  std::uniform_int_distribution<int> rank(1, kRankMax);
  for (int round = 0; round < 2000; ++round) {
    Coordinate a = Coordinate::Filled(rank(random), 0);
    Coordinate b = a;
    for (int d = 0; d < a.rank(); ++d) {
      a[d] = value(random);
      b[d] = value(random);
    }
    const Coordinate sum = a + b;
    const Coordinate difference = a - b;
    const Coordinate product = a * b;
    for (int d = 0; d < a.rank(); ++d) {
      ASSERT_EQ(sum[d], a[d] + b[d]);
      ASSERT_EQ(difference[d], a[d] - b[d]);
      ASSERT_EQ(product[d], a[d] * b[d]);
    }
  }
}

TEST(Coordinate, HalvesRoundTowardsMinusInfinity) {
  EXPECT_EQ((Coordinate{2, 6, -2, -6}).RoundDivide(Coordinate::Filled(4, 4)),
            (Coordinate{0, 1, -1, -2}));
  EXPECT_EQ((Coordinate{3, 5, -3, -5}).RoundDivide(Coordinate::Filled(4, 4)),
            (Coordinate{1, 1, -1, -1}));
}

TEST(Coordinate, EqualityNeedsTheSameRank) {
  EXPECT_EQ((Coordinate{1, 2}), (Coordinate{1, 2}));
  EXPECT_NE((Coordinate{1, 2}), (Coordinate{1, 3}));
  EXPECT_NE((Coordinate{1}), (Coordinate{1, 0}));
  EXPECT_EQ(Coordinate(), Coordinate());
  EXPECT_NE(Coordinate(), Coordinate{0});
}

TEST(Coordinate, RefusesNoAndTooManyDimensions) {
  const std::vector<int64_t> nine(9, 1);
  EXPECT_FALSE(Coordinate::FromValues({}).ok());
  EXPECT_FALSE(Coordinate::FromValues(nine).ok());
  EXPECT_EQ(Coordinate::FromValues(nine).error().message,
            "a coordinate has 1 to 8 dimensions, not 9");
  const auto eight = Coordinate::FromValues(std::span(nine).first(8));
  ASSERT_TRUE(eight.ok());
  EXPECT_EQ(*eight, Coordinate::Filled(8, 1));
}

TEST(Coordinate, PrintsAsATuple) {
  EXPECT_EQ((Coordinate{1, -2, 3}).ToString(), "(1, -2, 3)");
  EXPECT_EQ((Coordinate{5}).ToString(), "(5,)");
  EXPECT_EQ((Coordinate{kMin, kMax}).ToString(), "(-9223372036854775808, 9223372036854775807)");
}

TEST(Coordinate, IteratesOverItsValues) {
  int64_t sum = 0;
  for (const int64_t value : Coordinate{1, 2, 3}) sum += value;
  EXPECT_EQ(sum, 6);
}

using CoordinateDeathTest = testing::Test;

TEST(CoordinateDeathTest, OverflowEndsTheProcessInsteadOfWrapping) {
  EXPECT_DEATH(Coordinate{kMax} + Coordinate{1}, "overflows int64");
  EXPECT_DEATH(Coordinate{kMin} - Coordinate{1}, "overflows int64");
  EXPECT_DEATH(Coordinate{kMax} * Coordinate{2}, "overflows int64");
  EXPECT_DEATH(-Coordinate{kMin}, "overflows int64");
  EXPECT_DEATH(Coordinate{kMin}.Abs(), "overflows int64");
}

TEST(CoordinateDeathTest, BrokenPreconditionsEndTheProcess) {
  EXPECT_DEATH((Coordinate{1, 2} + Coordinate{1}), "different rank");
  EXPECT_DEATH((Coordinate{1}.FloorDivide({0})), "zero or less");
  EXPECT_DEATH((Coordinate{1}.Modulo({-1})), "zero or less");
  EXPECT_DEATH(Coordinate::Filled(9, 0), "more than kRankMax");
}

}  // namespace
}  // namespace bellis
