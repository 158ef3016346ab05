#include "common/geometry/cantor.h"

#include <gtest/gtest.h>

#include <limits>
#include <set>
#include <vector>

namespace bellis {
namespace {

using Tuple = std::vector<int64_t>;

TEST(Cantor, NumbersPairsAlongDiagonals) {
  EXPECT_EQ(CantorNumber(Tuple{0, 0}.data(), 2), 0);
  EXPECT_EQ(CantorNumber(Tuple{0, 1}.data(), 2), 1);
  EXPECT_EQ(CantorNumber(Tuple{1, 0}.data(), 2), 2);
  EXPECT_EQ(CantorNumber(Tuple{2, 2}.data(), 2), 12);  // the tutorial's block at (128, 128)
}

TEST(Cantor, IsABijectionOnSmallTriples) {
  // The triples with a sum below 8 are numbered 0 .. C(10, 3) - 1, without a gap.
  std::set<CantorId> ids;
  for (int64_t x = 0; x < 8; ++x) {
    for (int64_t y = 0; x + y < 8; ++y) {
      for (int64_t z = 0; x + y + z < 8; ++z) {
        const Tuple k = {x, y, z};
        ids.insert(*CantorNumber(k.data(), 3));
        EXPECT_EQ(CantorNumberSmall(k.data(), 3), *CantorNumber(k.data(), 3));
      }
    }
  }
  EXPECT_EQ(ids.size(), 120u);
  EXPECT_EQ(*ids.begin(), 0);
  EXPECT_EQ(*ids.rbegin(), 119);
}

TEST(Cantor, GivesTheTupleBack) {
  for (int rank = 1; rank <= 8; ++rank) {
    for (CantorId id : {int64_t{0}, int64_t{1}, int64_t{2}, int64_t{12}, int64_t{119},
                        int64_t{1'000'003}, int64_t{1} << 40, (int64_t{1} << 62) + 12345}) {
      Tuple k(static_cast<size_t>(rank));
      CantorTuple(id, rank, k.data());
      for (const int64_t x : k) ASSERT_GE(x, 0);
      ASSERT_EQ(CantorNumber(k.data(), rank), id) << "rank " << rank;
    }
  }
}

TEST(Cantor, RefusesWhatDoesNotFitInAnInt64) {
  const int64_t max = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(CantorNumber(Tuple{max}.data(), 1), max);
  EXPECT_EQ(CantorNumber(Tuple{0, max}.data(), 2), std::nullopt);
  EXPECT_EQ(CantorNumber(Tuple{max, max, max}.data(), 3), std::nullopt);
  // s(s+1)/2 = 2^63 - 2^31 - ... : the last pair that fits, and the first that does not.
  EXPECT_TRUE(CantorNumber(Tuple{0, 4'294'967'294}.data(), 2).has_value());
  EXPECT_FALSE(CantorNumber(Tuple{0, 4'294'967'296}.data(), 2).has_value());
  const Tuple wide(8, int64_t{1} << 40);
  EXPECT_EQ(CantorNumber(wide.data(), 8), std::nullopt);
}

TEST(Cantor, UsesSmallArithmeticOnlyWhereItIsExact) {
  for (int rank = 1; rank <= 8; ++rank) {
    for (int64_t x = 1; x < int64_t{1} << 61; x *= 3) {
      const Tuple k(static_cast<size_t>(rank), x);
      if (!CantorFitsSmall(k.data(), rank)) break;
      ASSERT_EQ(CantorNumberSmall(k.data(), rank), CantorNumber(k.data(), rank));
    }
  }
}

}  // namespace
}  // namespace bellis
