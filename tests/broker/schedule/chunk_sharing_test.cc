#include "broker/schedule/chunk_sharing.h"

#include <gtest/gtest.h>

#include <set>

#include "broker/schedule/dependency_graph.h"
#include "tests/broker/schedule/job_fixture.h"
#include "tests/broker/schedule/random_job.h"

namespace bellis {
namespace {

using test::Line;

ChunkSharing Find(const TaskSpec& task) {
  const auto grid = BlockGrid::Make(task);
  return FindChunkSharing(task, *grid);
}

TaskSpec LineInChunks(int64_t chunk, Conflict conflict, int64_t context = 0, int64_t w = 10) {
  TaskSpec task = Line("t", 8, context, w);
  task.read_write_conflict = conflict;
  task.chunk_shape = {chunk};
  return task;
}

TEST(ChunkSharing, AlignedBlocksShareNone) {
  EXPECT_EQ(Find(LineInChunks(10, Conflict::kNone)).sharing, Sharing::kNone);
  EXPECT_EQ(Find(LineInChunks(5, Conflict::kNone)).sharing, Sharing::kNone);
}

TEST(ChunkSharing, MisalignedBlocksWithoutConflictAreAnErrorWithAdvice) {
  const ChunkSharing found = Find(LineInChunks(8, Conflict::kNone));
  EXPECT_EQ(found, (ChunkSharing{.sharing = Sharing::kAtOnce,
                                 .dim = 0,
                                 .first = 0,
                                 .second = 1,
                                 .boundary = 10,
                                 .chunk = 8,
                                 .write_shape = 8,
                                 .total_offset = 0}));
}

TEST(ChunkSharing, FirstBoundaryMayBeAMultipleByChance) {
  TaskSpec task = LineInChunks(8, Conflict::kNone, 0, 12);
  task.total_roi = Roi({-4}, {96});  // boundaries 8, 20, ...
  const ChunkSharing found = Find(task);
  EXPECT_EQ(found.sharing, Sharing::kAtOnce);
  EXPECT_EQ(found.first, 1);
  EXPECT_EQ(found.boundary, 20);
  EXPECT_EQ(found.write_shape, 8) << "8 and 16 are equally near";
}

TEST(ChunkSharing, OffsetAloneIsAdvisedWhenTheShapeFits) {
  TaskSpec task = LineInChunks(10, Conflict::kNone);
  task.total_roi = Roi({3}, {80});
  const ChunkSharing found = Find(task);
  EXPECT_EQ(found.sharing, Sharing::kAtOnce);
  EXPECT_EQ(found.boundary, 13);
  EXPECT_EQ(found.write_shape, 10);
  EXPECT_EQ(found.total_offset, 0);
}

TEST(ChunkSharing, ContextCountsInTheOffset) {
  // The total write ROI begins at 0 - 4 + 4.
  EXPECT_EQ(Find(LineInChunks(10, Conflict::kNone, 4)).sharing, Sharing::kNone);
  TaskSpec task = LineInChunks(10, Conflict::kNone, 4);
  task.total_roi = Roi({0}, {88});  // so writes begin at 4
  const ChunkSharing found = Find(task);
  EXPECT_EQ(found.sharing, Sharing::kAtOnce);
  EXPECT_EQ(found.boundary, 14);
  EXPECT_EQ(found.total_offset, -4);
}

TEST(ChunkSharing, NeighboursThatNeverRunAtOnceShareInTurn) {
  for (const Conflict conflict : {Conflict::kOrdered, Conflict::kExclusive}) {
    const ChunkSharing found = Find(LineInChunks(8, conflict, 1));
    EXPECT_EQ(found.sharing, Sharing::kInTurn);
    EXPECT_EQ(found.boundary, 10);
  }
  // Without context, neighbours may run at once, whatever read_write_conflict says.
  EXPECT_EQ(Find(LineInChunks(8, Conflict::kOrdered, 0)).sharing, Sharing::kAtOnce);
}

TEST(ChunkSharing, ChunksThatReachBeyondTheNeighbourAreAnError) {
  // A chunk may hold the end of one block, all of the next, and the beginning of a third.
  EXPECT_EQ(Find(LineInChunks(11, Conflict::kOrdered, 1)).sharing, Sharing::kInTurn) << "too short";
  EXPECT_EQ(Find(LineInChunks(12, Conflict::kOrdered, 1)).sharing, Sharing::kInTurn)
      << "long enough, but an end at 10, 20, .. is never one behind a multiple of 12";
  const ChunkSharing found = Find(LineInChunks(13, Conflict::kOrdered, 1));
  EXPECT_EQ(found.sharing, Sharing::kAtOnce);
  EXPECT_EQ(found.first, 3) << "ends at 40, in the chunk from 39 to 52";
  EXPECT_EQ(found.second, 5) << "begins at 50";
}

TEST(ChunkSharing, OneBlockIsAlwaysFine) {
  TaskSpec task = Line("t", 1);
  task.read_write_conflict = Conflict::kNone;
  task.chunk_shape = {7};
  EXPECT_EQ(Find(task).sharing, Sharing::kNone);
  task.total_roi = Roi({0}, {5});
  EXPECT_EQ(Find(task).sharing, Sharing::kNone) << "no block at all";
}

TEST(ChunkSharing, HugeGridsAndChunksTakeNoTime) {
  TaskSpec task = Line("t", int64_t{1} << 40, 1, 1'000'003);
  task.chunk_shape = {1'999'999'999};
  EXPECT_EQ(Find(task).sharing, Sharing::kAtOnce);
  task.chunk_shape = {1'000'003};
  EXPECT_EQ(Find(task).sharing, Sharing::kNone);
}

// ---- slow and obvious ----

bool ShareAChunk(const TaskSpec& task, const BlockGrid& grid, BlockIndex a, BlockIndex b) {
  const Roi of_a = grid.WriteRoi(grid.PointOf(a));
  const Roi of_b = grid.WriteRoi(grid.PointOf(b));
  const auto snapped = [&](const Roi& roi) {
    return *roi.SnapToGrid(task.chunk_shape, SnapMode::kGrow);
  };
  return snapped(of_a).Intersects(snapped(of_b));
}

/// Whether two blocks may be leased at the same time, by the definitions and not by strides.
class AtOnce {
 public:
  AtOnce(const JobSpec& job, const DependencyGraph& graph) : task_(job.tasks[0]), graph_(graph) {
    if (task_.read_write_conflict != Conflict::kOrdered) return;
    before_.resize(graph.grid(0).num_blocks());
    for (BlockIndex b = 0; b < before_.size(); ++b) Collect(b);
  }

  bool operator()(BlockIndex a, BlockIndex b) const {
    const BlockGrid& grid = graph_.grid(0);
    if (task_.read_write_conflict == Conflict::kNone) return true;
    if (task_.read_write_conflict == Conflict::kOrdered) {
      return before_[a].count(b) == 0 && before_[b].count(a) == 0;
    }
    const auto reads = [&grid](BlockIndex x, BlockIndex y) {
      return grid.ReadRoi(grid.PointOf(x)).Intersects(grid.WriteRoi(grid.PointOf(y)));
    };
    return !reads(a, b) && !reads(b, a);
  }

 private:
  void Collect(BlockIndex block) {
    std::vector<BlockIndex> todo = {block};
    while (!todo.empty()) {
      const BlockIndex at = todo.back();
      todo.pop_back();
      for (const BlockRef& up : graph_.Upstream({0, at})) {
        if (before_[block].insert(up.block).second) todo.push_back(up.block);
      }
    }
  }

  const TaskSpec& task_;
  const DependencyGraph& graph_;
  std::vector<std::set<BlockIndex>> before_;
};

TEST(ChunkSharing, AgreesWithEveryPairOfBlocks) {
  int seen[3] = {};
  for (uint64_t seed = 1; seed <= 3000; ++seed) {
    test::RandomJob random(seed);
    JobSpec job = random.Make();
    job.tasks.resize(1);
    TaskSpec& task = job.tasks[0];
    task.upstream.clear();
    task.mask.reset();
    task.chunk_shape = task.write_roi.shape();
    for (int d = 0; d < task.chunk_shape.rank(); ++d) {
      const bool aligned = random.Pick(0, 2) == 0;
      const int64_t w = task.write_roi.shape()[d];
      if (!aligned) task.chunk_shape[d] = random.Pick(1, 15);
      if (aligned && random.Pick(0, 1) == 0) {
        const int64_t lo = task.write_roi.offset()[d] - task.read_roi.offset()[d];
        Coordinate offset = task.total_roi.offset();
        offset[d] = w * random.Pick(-2, 2) - lo;
        task.total_roi = Roi(offset, task.total_roi.shape());
      }
    }
    const auto graph = DependencyGraph::Make(job);
    ASSERT_TRUE(graph.ok());
    const BlockGrid& grid = graph->grid(0);
    if (grid.num_blocks() > 100) continue;
    const AtOnce at_once(job, *graph);
    Sharing expected = Sharing::kNone;
    for (BlockIndex a = 0; a < grid.num_blocks(); ++a) {
      for (BlockIndex b = a + 1; b < grid.num_blocks(); ++b) {
        if (!ShareAChunk(task, grid, a, b)) continue;
        const Sharing pair = at_once(a, b) ? Sharing::kAtOnce : Sharing::kInTurn;
        expected = std::max(expected, pair);
      }
    }
    const ChunkSharing found = FindChunkSharing(task, grid);
    ASSERT_EQ(found.sharing, expected) << "seed " << seed;
    ++seen[static_cast<int>(expected)];
    if (expected == Sharing::kNone) continue;
    // The advice works: with both aligned values, no blocks share a chunk along that dimension.
    ASSERT_NE(found.boundary % found.chunk, 0) << "seed " << seed;
    ASSERT_EQ(found.write_shape % found.chunk, 0) << "seed " << seed;
    const int64_t context =
        grid.WriteRoi(GridPoint{}).offset()[found.dim] - task.total_roi.offset()[found.dim];
    ASSERT_EQ((found.total_offset + context) % found.chunk, 0) << "seed " << seed;
  }
  for (const int count : seen) EXPECT_GT(count, 30);
}

}  // namespace
}  // namespace bellis
