// Runs of blocks: a worker computes from the grid that a welcome tells it just what the broker
// computes, and the frontier leases and completes runs just as it does single blocks.

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "broker/schedule/frontier.h"
#include "common/protocol/codec.h"
#include "common/protocol/task_grid.h"
#include "tests/broker/schedule/random_job.h"

namespace bellis::test {
namespace {

/// The grid as a worker gets it.
TaskGrid OverTheWire(const TaskGrid& grid) {
  WelcomeMsg welcome;
  welcome.grid = grid;
  Codec codec;
  const auto bytes = codec.Encode(welcome);
  DecodeResult decoded = codec.Decode(std::vector<char>(bytes.begin(), bytes.end()));
  return *std::get<WelcomeMsg>(decoded.message()).grid;
}

TEST(Runs, AWorkerComputesTheBlocksOfTheBroker) {
  uint64_t compared = 0;
  for (uint64_t seed = 0; seed < 400; ++seed) {
    for (const TaskSpec& task : RandomJob(seed).Make().tasks) {
      const Result<BlockGrid> grid = BlockGrid::Make(task);
      ASSERT_TRUE(grid.ok()) << seed;
      const Result<BlockTiling> tiling = TilingOf(OverTheWire(GridOf(task, *grid)));
      ASSERT_TRUE(tiling.ok()) << seed << ": " << tiling.error().message;
      ASSERT_EQ(tiling->num_blocks(), grid->num_blocks()) << seed;
      const uint64_t step = 1 + grid->num_blocks() / 200;
      for (BlockIndex block = 0; block < grid->num_blocks(); block += step) {
        const GridPoint k = tiling->PointOf(block);
        ASSERT_EQ(k, grid->PointOf(block)) << seed;
        ASSERT_EQ(tiling->IdOf(k), grid->IdOf(k)) << seed;
        ASSERT_EQ(tiling->ReadRoi(k), grid->ReadRoi(k)) << seed;
        ASSERT_EQ(tiling->WriteRoi(k), grid->WriteRoi(k)) << seed;
        ++compared;
      }
    }
  }
  EXPECT_GT(compared, 5'000u);
}

TEST(Runs, AGridThatIsNoneIsRefused) {
  TaskSpec task;
  task.total_roi = Roi({0, 0}, {100, 100});
  task.read_roi = task.write_roi = Roi({0, 0}, {10, 10});
  const TaskGrid grid = GridOf(task, BlockTiling::Make(task).value());
  ASSERT_TRUE(TilingOf(grid).ok());
  TaskGrid other = grid;
  other.shape[1] = 11;
  EXPECT_FALSE(TilingOf(other).ok()) << "another number of blocks";
  other = grid;
  other.write = Roi({0, 0}, {0, 10});
  EXPECT_FALSE(TilingOf(other).ok()) << "blocks that write nothing";
  other = grid;
  other.read = Roi({0}, {10});
  EXPECT_FALSE(TilingOf(other).ok()) << "another number of dimensions";
  other = grid;
  other.total = Roi({-kWorldMax - 1, 0}, {100, 100});
  EXPECT_FALSE(TilingOf(other).ok()) << "beyond the world";
}

TEST(Runs, ARunOutsideOfTheGridIsRefused) {
  TaskSpec task;
  task.total_roi = Roi({0}, {100});
  task.read_roi = task.write_roi = Roi({0}, {10});
  const std::optional<BlockTiling> tiling = BlockTiling::Make(task).value();
  EXPECT_EQ(Unfold(WorkMsg{{}, {{LeaseId(1), 2, 8}}}, tiling)->size(), 8u);
  EXPECT_FALSE(Unfold(WorkMsg{{}, {{LeaseId(1), 2, 9}}}, tiling).ok());
  EXPECT_FALSE(Unfold(WorkMsg{{}, {{LeaseId(1), 10, 1}}}, tiling).ok());
  EXPECT_FALSE(Unfold(WorkMsg{{}, {{LeaseId(1), UINT64_MAX, 2}}}, tiling).ok());
  EXPECT_FALSE(Unfold(WorkMsg{{}, {{LeaseId(1), 0, 1}}}, std::nullopt).ok()) << "no grid";
}

/// Leases and completes all blocks of a job in runs of at most `max`, beside another frontier that
/// does the same one by one.
void CompareWithSingles(const JobSpec& job, uint64_t seed) {
  auto graph = DependencyGraph::Make(job);
  ASSERT_TRUE(graph.ok()) << seed;
  const std::vector<Order> orders(job.tasks.size(), seed % 2 == 0 ? Order::kFifo : Order::kDeepest);
  auto in_runs = Frontier::Make(&*graph, orders);
  auto singly = Frontier::Make(&*graph, orders);
  ASSERT_TRUE(in_runs.ok() && singly.ok()) << seed;
  std::mt19937_64 random(seed);
  std::vector<std::pair<TaskIndex, BlockRun>> out;
  for (bool progress = true; progress;) {
    progress = false;
    for (TaskIndex t = 0; t < job.tasks.size(); ++t) {
      const BlockRun run = in_runs->LeaseRun(t, 1 + random() % 40);
      for (BlockIndex block = run.begin; block < run.end; ++block) {
        const auto single = singly->Pop(t);
        ASSERT_EQ(single, block) << seed;
        singly->Lease({t, *single});
      }
      if (run.begin < run.end) out.emplace_back(t, run);
      ASSERT_EQ(in_runs->counts(t), singly->counts(t)) << seed;
    }
    while (!out.empty() && random() % 3 != 0) {
      std::swap(out[random() % out.size()], out.back());
      const auto [t, run] = out.back();
      out.pop_back();
      in_runs->CompleteRun(t, run);
      for (BlockIndex block = run.begin; block < run.end; ++block) singly->Complete({t, block});
    }
    in_runs->Work(1'000);
    singly->Work(1'000);
    for (TaskIndex t = 0; t < job.tasks.size(); ++t) progress |= !in_runs->Done(t);
  }
  for (TaskIndex t = 0; t < job.tasks.size(); ++t) {
    ASSERT_EQ(in_runs->counts(t), singly->counts(t)) << seed;
    ASSERT_EQ(in_runs->CompletedRuns(t), singly->CompletedRuns(t)) << seed;
  }
}

TEST(Runs, AreLeasedAndCompletedAsTheirBlocksWouldBe) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    const JobSpec job = RandomJob(seed).Make();
    if (DependencyGraph::Make(job).ok()) CompareWithSingles(job, seed);
    if (HasFatalFailure()) return;
  }
}

TEST(Runs, StatesOfARunAreThoseOfItsBlocks) {
  constexpr uint64_t kBlocks = 20'000;
  BlockStates at_once(kBlocks);
  BlockStates singly(kBlocks);
  std::mt19937_64 random(7);
  for (BlockIndex begin = 0; begin < kBlocks;) {
    const BlockIndex end = std::min<BlockIndex>(kBlocks, begin + 1 + random() % 6'000);
    const auto state = random() % 3 == 0 ? BlockState::kIssued : BlockState::kCompleted;
    at_once.SetAll({begin, end}, state);
    for (BlockIndex block = begin; block < end; ++block) singly.Set(block, state);
    begin = end;
  }
  for (BlockIndex block = 0; block < kBlocks; ++block) {
    ASSERT_EQ(at_once.Get(block), singly.Get(block)) << block;
  }
  EXPECT_EQ(at_once.CompletedRuns(), singly.CompletedRuns());
  EXPECT_EQ(at_once.bytes(), singly.bytes());
}

}  // namespace
}  // namespace bellis::test
