#include "bellis/roi.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <set>
#include <vector>

#include "tests/common/geometry/wide.h"

namespace bellis {
namespace {

constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

using Points = std::set<std::vector<int64_t>>;

/// A region as the set of its points, which is how the oracle computes with it.
Points PointsOf(const Roi& roi) {
  Points points;
  if (roi.empty()) return points;
  std::vector<int64_t> point(roi.begin().begin(), roi.begin().end());
  const Coordinate end = roi.end();
  while (true) {
    points.insert(point);
    int d = roi.rank() - 1;
    while (d >= 0 && ++point[static_cast<size_t>(d)] == end[d]) {
      point[static_cast<size_t>(d)] = roi.begin()[d];
      --d;
    }
    if (d < 0) return points;
  }
}

class RandomRois {
 public:
  explicit RandomRois(uint64_t seed) : random_(seed) {}
  int64_t Number(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random_);
  }
  Coordinate Point(int rank, int64_t low, int64_t high) {
    Coordinate point = Coordinate::Filled(rank, 0);
    for (int d = 0; d < rank; ++d) point[d] = Number(low, high);
    return point;
  }
  Roi Box(int rank) { return Roi(Point(rank, -5, 5), Point(rank, 0, 5)); }
  int Rank() { return static_cast<int>(Number(1, 3)); }

 private:
  std::mt19937_64 random_;
};

TEST(Roi, SetOperationsAgreeWithSetsOfPoints) {
  RandomRois make(2);
  for (int round = 0; round < 4000; ++round) {
    const int rank = make.Rank();
    const Roi a = make.Box(rank);
    const Roi b = make.Box(rank);
    const Points in_a = PointsOf(a);
    const Points in_b = PointsOf(b);
    Points in_both;
    for (const auto& point : in_a) {
      if (in_b.count(point) > 0) in_both.insert(point);
    }
    ASSERT_EQ(PointsOf(a.Intersect(b)), in_both) << a.ToString() << " " << b.ToString();
    ASSERT_EQ(a.Intersects(b), !in_both.empty());
    ASSERT_EQ(a.empty(), in_a.empty());
    ASSERT_EQ(*a.size(), static_cast<int64_t>(in_a.size()));
    if (!b.empty()) {
      ASSERT_EQ(a.Contains(b), in_both == in_b);
    }
    const Coordinate point = make.Point(rank, -7, 7);
    ASSERT_EQ(a.Contains(point), in_a.count(std::vector<int64_t>(point.begin(), point.end())) == 1);
  }
}

TEST(Roi, UnionIsTheSmallestRegionThatContainsBoth) {
  RandomRois make(3);
  for (int round = 0; round < 2000; ++round) {
    const int rank = make.Rank();
    const Roi a = make.Box(rank);
    const Roi b = make.Box(rank);
    const Roi both = a.Union(b);
    if (a.empty()) {
      ASSERT_EQ(both, b);
      continue;
    }
    if (b.empty()) {
      ASSERT_EQ(both, a);
      continue;
    }
    ASSERT_TRUE(both.Contains(a) && both.Contains(b));
    for (int d = 0; d < rank; ++d) {  // every face touches one of the two regions
      ASSERT_TRUE(both.begin()[d] == a.begin()[d] || both.begin()[d] == b.begin()[d]);
      ASSERT_TRUE(both.end()[d] == a.end()[d] || both.end()[d] == b.end()[d]);
    }
  }
}

TEST(Roi, GrowAndShiftMoveTheFaces) {
  RandomRois make(4);
  for (int round = 0; round < 2000; ++round) {
    const int rank = make.Rank();
    const Roi roi = make.Box(rank);
    const Coordinate lo = make.Point(rank, -4, 4);
    const Coordinate hi = make.Point(rank, -4, 4);
    const Roi grown = *roi.Grow(lo, hi);
    const Roi shifted = *roi.Shift(lo);
    for (int d = 0; d < rank; ++d) {
      const int64_t begin = roi.begin()[d] - lo[d];
      const int64_t end = roi.end()[d] + hi[d];
      ASSERT_EQ(grown.begin()[d], begin);
      ASSERT_EQ(grown.end()[d], end < begin ? begin : end);
      ASSERT_EQ(shifted.begin()[d], roi.begin()[d] + lo[d]);
    }
    ASSERT_EQ(shifted.shape(), roi.shape());
  }
}

/// The multiple of `unit` that `mode` asks for, found by walking.
int64_t Snapped(int64_t value, int64_t unit, bool up, SnapMode mode) {
  int64_t below = value;
  while (below % unit != 0) --below;
  int64_t above = value;
  while (above % unit != 0) ++above;
  if (mode == SnapMode::kClosest) return above - value < value - below ? above : below;
  return up == (mode == SnapMode::kGrow) ? above : below;
}

TEST(Roi, SnapsToTheGridInThreeModes) {
  RandomRois make(5);
  for (int round = 0; round < 3000; ++round) {
    const int rank = make.Rank();
    const Roi roi(make.Point(rank, -20, 20), make.Point(rank, 0, 20));
    const Coordinate unit = make.Point(rank, 1, 7);
    for (const SnapMode mode : {SnapMode::kGrow, SnapMode::kShrink, SnapMode::kClosest}) {
      const Roi snapped = *roi.SnapToGrid(unit, mode);
      for (int d = 0; d < rank; ++d) {
        const int64_t begin = Snapped(roi.begin()[d], unit[d], false, mode);
        const int64_t end = Snapped(roi.end()[d], unit[d], true, mode);
        ASSERT_EQ(snapped.begin()[d], begin) << roi.ToString() << " " << unit.ToString();
        ASSERT_EQ(snapped.end()[d], end < begin ? begin : end) << roi.ToString();
      }
    }
  }
}

TEST(Roi, DivideUndoesMultiply) {
  RandomRois make(6);
  for (int round = 0; round < 2000; ++round) {
    const int rank = make.Rank();
    const Roi roi = make.Box(rank);
    const Coordinate unit = make.Point(rank, 1, 9);
    const Roi scaled = *roi.Multiply(unit);
    ASSERT_EQ(scaled.offset(), roi.offset() * unit);
    ASSERT_EQ(scaled.shape(), roi.shape() * unit);
    ASSERT_EQ(*scaled.Divide(unit), roi);
    ASSERT_EQ(roi.Divide(unit).ok(),
              roi.offset().IsMultipleOf(unit) && roi.shape().IsMultipleOf(unit));
  }
}

TEST(Roi, CenterRoundsTowardsMinusInfinity) {
  EXPECT_EQ(Roi({0, -5, -4}, {5, 5, 3}).center(), (Coordinate{2, -3, -3}));
  EXPECT_EQ(Roi({3}, {0}).center(), Coordinate{3});
}

TEST(Roi, AnEmptyRegionIsContainedWhereItsBeginIs) {
  const Roi box({0, 0}, {10, 10});
  EXPECT_TRUE(box.Contains(Roi({5, 5}, {0, 3})));
  EXPECT_TRUE(box.Contains(Roi({5, 5}, {0, 30})));
  EXPECT_FALSE(box.Contains(Roi({10, 10}, {0, 0})));
  EXPECT_TRUE(Roi({0, 0}, {0, 5}).Contains(Roi({100, 100}, {0, 0})));
  EXPECT_FALSE(Roi({0, 0}, {0, 5}).Contains(box));
}

TEST(Roi, RegionsThatTouchDoNotIntersect) {
  EXPECT_FALSE(Roi({0}, {5}).Intersects(Roi({5}, {5})));
  EXPECT_TRUE(Roi({0}, {6}).Intersects(Roi({5}, {5})));
  EXPECT_EQ(Roi({0, 0}, {5, 9}).Intersect(Roi({7, 2}, {5, 9})), Roi({7, 2}, {0, 0}));
}

TEST(Roi, PrintsBeginsAndEndsAndTheShape) {
  EXPECT_EQ(Roi({0, 10}, {4, 2}).ToString(), "[0:4, 10:12] (4, 2)");
  EXPECT_EQ(Roi({-3}, {4}).ToString(), "[-3:1] (4)");
  EXPECT_EQ(Roi({-3}, {0}).ToString(), "[-3:-3] (0)");
}

TEST(Roi, NoRegionIsEmpty) {
  EXPECT_EQ(Roi().rank(), 0);
  EXPECT_TRUE(Roi().empty());
  EXPECT_EQ(*Roi().size(), 0);
  EXPECT_EQ(Roi(), Roi());
}

TEST(Roi, MakeSaysWhatIsWrong) {
  EXPECT_EQ(Roi::Make({0, 0}, {1}).error().message, "shape has 1 dimensions; expected 2");
  EXPECT_EQ(Roi::Make({0, 0}, {1, -2}).error().message, "shape[1] is -2; at least 0");
  EXPECT_EQ(Roi::Make({0, 2}, {1, kMax}).error().message,
            "offset + shape in dimension 1 does not fit in a signed 64-bit integer");
  EXPECT_TRUE(Roi::Make({0, 0}, {0, kMax}).ok());
  EXPECT_TRUE(Roi::Make({kMin}, {kMax}).ok());
}

TEST(Roi, OperationsOnOtherRanksAreErrors) {
  const Roi roi({0, 0}, {4, 4});
  EXPECT_EQ(roi.Shift({1}).error().message, "the shift has 1 dimensions; expected 2");
  EXPECT_FALSE(roi.Grow({1}, {1, 1}).ok());
  EXPECT_FALSE(roi.Grow({1, 1}, {1}).ok());
  EXPECT_FALSE(roi.SnapToGrid({1}, SnapMode::kGrow).ok());
  EXPECT_FALSE(roi.Multiply({1}).ok());
  EXPECT_FALSE(roi.Divide({1}).ok());
}

TEST(Roi, NonsensicalUnitsAreErrors) {
  const Roi roi({0}, {4});
  EXPECT_EQ(roi.SnapToGrid({0}, SnapMode::kGrow).error().message,
            "the grid's unit[0] is 0; at least 1");
  EXPECT_FALSE(roi.Divide({0}).ok());
  EXPECT_FALSE(roi.Divide({-2}).ok());
  EXPECT_FALSE(roi.Multiply({-2}).ok());
  EXPECT_EQ(roi.Divide({3}).error().message, "[0:4] (4) is not a multiple of (3,)");
}

TEST(Roi, ResultsBeyondInt64AreErrors) {
  const Roi top({kMax - 4}, {4});
  const Roi bottom({kMin}, {4});
  EXPECT_FALSE(top.Shift({1}).ok());
  EXPECT_TRUE(top.Shift({0}).ok());
  EXPECT_FALSE(bottom.Shift({-1}).ok());
  EXPECT_FALSE(top.Grow({0}, {1}).ok());
  EXPECT_FALSE(bottom.Grow({1}, {0}).ok());
  EXPECT_FALSE(bottom.Grow({kMax}, {0}).ok());
  EXPECT_FALSE(bottom.Grow({0}, {kMax}).ok());  // the end fits, the extent does not
  EXPECT_FALSE(Roi({kMax - 4}, {1}).SnapToGrid({10}, SnapMode::kGrow).ok());
  EXPECT_FALSE(bottom.SnapToGrid({10}, SnapMode::kGrow).ok());
  EXPECT_TRUE(bottom.SnapToGrid({1}, SnapMode::kGrow).ok());
  EXPECT_TRUE(bottom.SnapToGrid({4}, SnapMode::kShrink).ok());
  EXPECT_FALSE(top.Multiply({2}).ok());
  EXPECT_FALSE(Roi({1}, {kMax / 2}).Multiply({3}).ok());
  EXPECT_FALSE(Roi({0, 0}, {int64_t{1} << 32, int64_t{1} << 31}).size().ok());
  EXPECT_EQ(*Roi({0, 0, 0}, {int64_t{1} << 32, int64_t{1} << 32, 0}).size(), 0);
}

/// Expects an error exactly when the true begin, end or extent does not fit; otherwise the true
/// region.
void ExpectTrueRegion(const Result<Roi>& got, Wide begin, Wide end) {
  if (end < begin) end = begin;
  ASSERT_EQ(got.ok(), Fits(begin) && Fits(end) && Fits(end - begin));
  if (!got.ok()) return;
  ASSERT_EQ(got->begin()[0], static_cast<int64_t>(begin));
  ASSERT_EQ(got->end()[0], static_cast<int64_t>(end));
}

TEST(Roi, AgreesWithWideIntegersNearTheEndsOfInt64) {
  RandomRois make(7);
  const auto near_an_end = [&make] {
    switch (make.Number(0, 3)) {
      case 0: return kMin + make.Number(0, 40);
      case 1: return kMax - make.Number(0, 40);
      case 2: return make.Number(-40, 40);
      default: return make.Number(kMin, kMax);
    }
  };
  int made = 0;
  for (int round = 0; round < 100'000; ++round) {
    const auto roi = Roi::Make({near_an_end()}, {near_an_end()});
    if (!roi.ok()) continue;
    ++made;
    SCOPED_TRACE(roi->ToString());
    const Wide begin = roi->begin()[0];
    const Wide end = roi->end()[0];
    const int64_t lo = near_an_end();
    const int64_t hi = near_an_end();
    const int64_t unit = make.Number(1, 30);
    if (Fits(begin - lo) && Fits(end + hi)) {  // this must hold even if the result is empty
      ExpectTrueRegion(roi->Grow({lo}, {hi}), begin - lo, end + hi);
    } else {
      ASSERT_FALSE(roi->Grow({lo}, {hi}).ok());
    }
    ExpectTrueRegion(roi->Shift({lo}), begin + lo, end + lo);
    ExpectTrueRegion(roi->Multiply({unit}), begin * unit, end * unit);
    ExpectTrueRegion(roi->SnapToGrid({unit}, SnapMode::kGrow), WideFloor(begin, unit) * unit,
                     -WideFloor(-end, unit) * unit);
  }
  ASSERT_GT(made, 10'000);
}

TEST(Roi, ShrinkingPastEmptyStaysEmptyAtTheEdges) {
  EXPECT_EQ(*Roi({kMin}, {4}).Grow({kMin + 1}, {0}), Roi({-1}, {0}));
  EXPECT_EQ(*Roi({kMin + 1}, {kMax}).Grow({kMin + 1}, {kMin + 1}), Roi({0}, {0}));
  EXPECT_EQ(*Roi({kMax - 4}, {4}).Grow({0}, {kMin}), Roi({kMax - 4}, {0}));
}

TEST(Roi, TheWholeWorldFits) {
  const Roi world({-kWorldMax}, {2 * kWorldMax});
  EXPECT_EQ(world.end(), Coordinate{kWorldMax});
  EXPECT_EQ(world.center(), Coordinate{0});
  EXPECT_TRUE(world.Contains(Coordinate{-kWorldMax}));
  EXPECT_FALSE(world.Contains(Coordinate{kWorldMax}));
  EXPECT_EQ(world.Union(Roi({0}, {1})), world);
  EXPECT_EQ(world.Intersect(Roi({5}, {1})), Roi({5}, {1}));
}

TEST(RoiDeathTest, BrokenPreconditionsEndTheProcess) {
  const Roi roi({0, 0}, {4, 4});
  EXPECT_DEATH(Roi({0}, {-1}), "negative shape");
  EXPECT_DEATH(Roi({kMax}, {1}), "beyond int64");
  EXPECT_DEATH(roi.Contains(Coordinate{1}), "another rank");
  EXPECT_DEATH(roi.Contains(Roi({1}, {1})), "another rank");
  EXPECT_DEATH(roi.Intersect(Roi({1}, {1})), "another rank");
  EXPECT_DEATH(Roi({kMin}, {1}).Union(Roi({kMax - 1}, {1})), "overflows int64");
}

}  // namespace
}  // namespace bellis
