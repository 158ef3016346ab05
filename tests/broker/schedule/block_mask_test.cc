#include "broker/schedule/block_mask.h"

#include <gtest/gtest.h>

#include "tests/broker/schedule/job_fixture.h"
#include "tests/broker/schedule/random_job.h"

namespace bellis::test {
namespace {

/// Whether the block meets a true voxel. Looks at voxel after voxel.
bool HasWork(const MaskSpec& mask, const Roi& write) {
  Coordinate voxel = mask.shape - mask.shape;
  for (uint64_t v = 0;; ++v) {
    const Roi box(mask.offset + voxel * mask.voxel_size, mask.voxel_size);
    if (mask.At(v) && box.Intersects(write)) return true;
    int d = mask.shape.rank() - 1;
    while (d >= 0 && ++voxel[d] == mask.shape[d]) voxel[d--] = 0;
    if (d < 0) return false;
  }
}

TEST(BlockMask, AgreesWithASlowSearchOnRandomGrids) {
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomJob random(seed);
    JobSpec job = random.Make();
    TaskSpec& task = job.tasks[0];
    task.mask = random.MakeMask(task.total_roi);
    const auto made = BlockGrid::Make(task);
    ASSERT_TRUE(made.ok());
    const BlockGrid& grid = *made;
    const BlockMask mask(grid, *task.mask);
    const uint64_t blocks = grid.num_blocks();
    std::vector<bool> works;
    for (BlockIndex i = 0; i < blocks; ++i) {
      works.push_back(HasWork(*task.mask, grid.WriteRoi(grid.PointOf(i))));
      ASSERT_EQ(mask.Contains(i), works[i]) << "block " << i;
    }
    EXPECT_EQ(mask.masked_blocks(),
              static_cast<uint64_t>(std::count(works.begin(), works.end(), false)));
    if (blocks == 0) continue;
    const auto row = static_cast<uint64_t>(grid.counts()[static_cast<size_t>(grid.rank() - 1)]);
    for (int round = 0; round < 40; ++round) {
      auto lo = static_cast<BlockIndex>(random.Pick(0, static_cast<int>(blocks)));
      auto hi = static_cast<BlockIndex>(random.Pick(0, static_cast<int>(blocks)));
      if (lo > hi) std::swap(lo, hi);
      std::optional<BlockIndex> first, last;
      for (BlockIndex i = lo; i < hi; ++i) {
        if (!works[i]) continue;
        if (!first) first = i;
        last = i;
      }
      ASSERT_EQ(mask.First(lo, hi), first);
      ASSERT_EQ(mask.Last(lo, hi), last);
      if (!first) continue;
      BlockIndex end = *first;
      do {
        ++end;
      } while (end % row != 0 && works[end]);
      ASSERT_EQ(mask.RunEnd(*first), end);
      GridBox box{grid.PointOf(lo), grid.PointOf(hi - 1), grid.rank()};
      bool meets = false;
      for (size_t d = 0; d < static_cast<size_t>(box.rank); ++d) {
        if (box.lo[d] > box.hi[d]) std::swap(box.lo[d], box.hi[d]);
        ++box.hi[d];
      }
      GridPoint k = box.lo;
      do {
        meets |= works[grid.IndexOf(k)];
      } while (box.Next(&k));
      ASSERT_EQ(mask.Meets(box), meets);
    }
  }
}

TEST(BlockMask, CostsTheVoxelsNotTheBlocks) {
  TaskSpec task;
  task.task_id = "a";
  task.total_roi = Roi(Coordinate::Filled(3, 0), Coordinate::Filled(3, 1'000'000));
  task.read_write_conflict = Conflict::kNone;
  task.write_roi = task.read_roi = Roi(Coordinate::Filled(3, 0), Coordinate::Filled(3, 10));
  const auto coarse = BlockGrid::Make(task);
  ASSERT_TRUE(coarse.ok());
  ASSERT_EQ(coarse->num_blocks(), 1'000'000'000'000'000u);
  MaskSpec spec{Coordinate::Filled(3, 0), Coordinate::Filled(3, 250'000), Coordinate::Filled(3, 4),
                std::string(8, '\0'), ""};
  spec.bits[7] = 1;  // the last voxel
  const BlockMask mask(*coarse, spec);
  EXPECT_EQ(mask.masked_blocks(), coarse->num_blocks() / 64 * 63);
  EXPECT_EQ(mask.First(0, coarse->num_blocks()), coarse->IndexOf({75'000, 75'000, 75'000}));
  EXPECT_LT(mask.bytes(), 1000u);
}

}  // namespace
}  // namespace bellis::test
