#include "broker/schedule/plan.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "broker/schedule/block_states.h"
#include "broker/schedule/playthrough.h"
#include "common/task/pipeline.h"
#include "tests/broker/schedule/job_fixture.h"
#include "tests/broker/schedule/random_job.h"

namespace bellis {
namespace {

using test::Line;

JobSpec Job(std::vector<TaskSpec> tasks) {
  JobSpec job;
  job.tasks = std::move(tasks);
  return job;
}

/// A cube of n^rank blocks of 10, with `context` on all sides.
TaskSpec Cube(const std::string& id, int rank, int64_t n, int64_t context) {
  TaskSpec task;
  task.task_id = id;
  const auto all = [rank](int64_t value) { return Coordinate::Filled(rank, value); };
  task.total_roi = Roi(all(-context), all(10 * n + 2 * context));
  task.read_roi = Roi(all(-context), all(10 + 2 * context));
  task.write_roi = Roi(all(0), all(10));
  task.external_workers = true;
  return task;
}

Plan Planned(const JobSpec& job, uint64_t play_blocks_max = kPlayBlocksMax) {
  Result<Plan> plan = MakePlan(job, play_blocks_max);
  EXPECT_TRUE(plan.ok()) << plan.error().message;
  return *plan;
}

TEST(Plan, OfOneTaskWithoutConflict) {
  TaskSpec task = Line("t", 7);
  task.workers = {WorkerGroup{{"x"}, 9, {}}};
  const Plan plan = Planned(Job({task}));
  EXPECT_TRUE(plan.exact);
  EXPECT_EQ(plan.blocks_played, 7u);
  EXPECT_EQ(plan.widest, 7u);
  EXPECT_EQ(plan.critical_path, 1u);
  ASSERT_EQ(plan.tasks.size(), 1u);
  EXPECT_EQ(plan.tasks[0].grid, std::vector<int64_t>{7});
  EXPECT_EQ(plan.tasks[0].num_levels, 1u);
  EXPECT_EQ(plan.tasks[0].idle_workers(), 2u);
}

TEST(Plan, OfLevelsInTwoDimensions) {
  const Plan plan = Planned(Job({Cube("t", 2, 5, 1)}));
  const TaskPlan& task = plan.tasks[0];
  EXPECT_EQ(task.strides, (std::vector<int64_t>{2, 2}));
  // Level 0 has the odd positions in both dimensions, level 3 the even positions.
  EXPECT_EQ(task.levels, (std::vector<LevelSize>{{0, 1, 4}, {1, 2, 6}, {3, 1, 9}}));
  EXPECT_EQ(task.at_once_max, 9u);
  EXPECT_EQ(task.widest, 9u);
  EXPECT_EQ(task.critical_path, 4u);
  EXPECT_EQ(plan.critical_path, 4u);
}

TEST(Plan, OfAChainCountsWhatABlockReadsUpstream) {
  TaskSpec second = Line("second", 5, 15);
  second.total_roi = Roi({-15}, {80});
  second.read_write_conflict = Conflict::kNone;
  second.upstream = {"first"};
  const Plan plan = Planned(Job({Line("first", 5, 1), second}));
  ASSERT_EQ(plan.tasks[1].upstream.size(), 1u);
  EXPECT_EQ(plan.tasks[1].upstream[0].task_id, "first");
  EXPECT_EQ(plan.tasks[1].upstream[0].min, 3u);
  EXPECT_EQ(plan.tasks[1].upstream[0].typical, 5u);
  EXPECT_EQ(plan.tasks[1].upstream[0].max, 5u);
  EXPECT_EQ(plan.critical_path, 3u);
  EXPECT_EQ(plan.tasks[1].first_round, 3u);
  EXPECT_EQ(plan.widest, 5u);
}

TEST(Plan, WidthInRoundsMayBeLessThanWhatCanEverRunAtOnce) {
  // Blocks of "b" start as blocks of "a" end: two or three run at a time in equal rounds, and all
  // five if they take long.
  TaskSpec b = Line("b", 5);
  b.read_write_conflict = Conflict::kNone;
  b.upstream = {"a"};
  const Plan plan = Planned(Job({Line("a", 5, 1), b}));
  EXPECT_EQ(plan.tasks[1].widest, 3u);
  EXPECT_EQ(plan.tasks[1].at_once_max, 5u);
  EXPECT_EQ(plan.widest, 5u);  // three blocks of "a" with two of "b"
}

TEST(Plan, OfExclusiveBlocks) {
  TaskSpec task = Line("t", 9, 1);
  task.read_write_conflict = Conflict::kExclusive;
  const Plan plan = Planned(Job({task}));
  EXPECT_TRUE(plan.exact);
  EXPECT_EQ(plan.tasks[0].at_once_max, 5u);
  EXPECT_EQ(plan.tasks[0].widest, 5u);
  EXPECT_EQ(plan.critical_path, 2u);
  EXPECT_FALSE(plan.tasks[0].critical_path_exact);
  EXPECT_EQ(Planned(Job({task}), 0).critical_path, 3u) << "at most";
}

TEST(Plan, CountsMaskedBlocksApart) {
  TaskSpec task = Cube("t", 2, 4, 1);
  task.mask = MaskSpec{
      .offset = {0, 0}, .voxel_size = {20, 40}, .shape = {2, 1}, .bits = "\x80", .file = {}};
  const Plan plan = Planned(Job({task}));
  EXPECT_EQ(plan.tasks[0].masked, 8u);
  EXPECT_EQ(plan.tasks[0].levels, (std::vector<LevelSize>{{0, 4, 2}}));
  EXPECT_FALSE(plan.tasks[0].levels_count_masked);
  const Plan bound = Planned(Job({task}), 0);
  EXPECT_EQ(bound.tasks[0].levels, (std::vector<LevelSize>{{0, 4, 4}}));
  EXPECT_TRUE(bound.tasks[0].levels_count_masked);
}

TEST(Plan, OfNoBlocksIsFine) {
  TaskSpec task = Line("t", 0);
  task.chunk_shape = {7};
  task.upstream = {"u"};
  const Plan plan = Planned(Job({Line("u", 3), task}));
  EXPECT_EQ(plan.tasks[1].blocks, 0u);
  EXPECT_EQ(plan.tasks[1].widest, 0u);
  EXPECT_EQ(plan.tasks[1].num_levels, 0u);
  EXPECT_TRUE(plan.tasks[1].levels.empty());
  EXPECT_EQ(plan.critical_path, 1u);
}

TEST(Plan, ReportsWhatTheBrokerWouldRefuse) {
  TaskSpec task = Line("t", int64_t{1} << 40);
  task.total_roi = Roi({0, 0}, {int64_t{1} << 40, int64_t{1} << 40});
  task.read_roi = task.write_roi = Roi({0, 0}, {1, 1});
  const Result<Plan> plan = MakePlan(Job({task}));
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.error().code, ErrorCode::kInvalidSpec);
  EXPECT_NE(plan.error().message.find("at most 2^62 blocks"), std::string::npos);
}

TEST(Plan, OfABillionBlocksIsArithmetic) {
  TaskSpec down = Cube("down", 3, 1000, 10);
  down.upstream = {"up"};
  const Plan plan = Planned(Job({Cube("up", 3, 1000, 1), down}));
  EXPECT_FALSE(plan.exact);
  EXPECT_EQ(plan.blocks_played, 0u);
  EXPECT_EQ(plan.blocks, 2'000'000'000u);
  EXPECT_EQ(plan.tasks[0].levels, (std::vector<LevelSize>{{0, 8, 125'000'000}}));
  EXPECT_EQ(plan.tasks[0].at_once_max, 125'000'000u);
  EXPECT_EQ(plan.critical_path, 16u);
  EXPECT_EQ(plan.tasks[1].upstream[0].min, 8u);
  EXPECT_EQ(plan.tasks[1].upstream[0].max, 27u);
  EXPECT_LT(plan.memory.expected, plan.memory.at_most);
}

TEST(Plan, HasManyLevelsInFewLines) {
  const Plan plan = Planned(Job({Cube("t", 3, 1001, 95)}));
  uint64_t levels = 0;
  uint64_t blocks = 0;
  for (const LevelSize& size : plan.tasks[0].levels) {
    levels += size.levels;
    blocks += size.levels * size.blocks;
  }
  EXPECT_EQ(levels, 11u * 11 * 11);
  EXPECT_EQ(blocks, plan.blocks);
  EXPECT_EQ(plan.tasks[0].levels.size(), 1u) << "1001 is a multiple of 11";
}

// ---- against slow and obvious counts ----

/// The longest chain of blocks that wait for one another, by visiting every dependency.
uint64_t LongestChain(const DependencyGraph& graph) {
  std::map<BlockRef, uint64_t> depth;
  uint64_t longest = 0;
  const auto visit = [&](auto&& self, BlockRef block) -> uint64_t {
    const auto found = depth.find(block);
    if (found != depth.end()) return found->second;
    uint64_t before = 0;
    for (const BlockRef& up : graph.Upstream(block)) before = std::max(before, self(self, up));
    return depth[block] = before + 1;
  };
  for (TaskIndex t = 0; t < graph.num_tasks(); ++t) {
    for (BlockIndex b = 0; b < graph.grid(t).num_blocks(); ++b) {
      longest = std::max(longest, visit(visit, {t, b}));
    }
  }
  return longest;
}

void CheckReads(const DependencyGraph& graph, const Plan& plan, TaskIndex t, uint64_t seed) {
  for (size_t i = 0; i < plan.tasks[t].upstream.size(); ++i) {
    uint64_t min = UINT64_MAX;
    uint64_t max = 0;
    const BlockGrid& grid = graph.grid(t);
    for (BlockIndex b = 0; b < grid.num_blocks(); ++b) {
      const uint64_t reads = graph.UpstreamBox(t, i, grid.PointOf(b)).size();
      min = std::min(min, reads);
      max = std::max(max, reads);
    }
    if (grid.num_blocks() == 0) min = 0;
    ASSERT_EQ(plan.tasks[t].upstream[i].min, min) << "seed " << seed;
    ASSERT_EQ(plan.tasks[t].upstream[i].max, max) << "seed " << seed;
  }
}

TEST(Plan, PlayedAndArithmeticAgreeOnRandomJobs) {
  int masked = 0;
  int exclusive = 0;
  for (uint64_t seed = 1; seed <= 600; ++seed) {
    JobSpec job = test::RandomJob(seed).Make();
    const auto graph = DependencyGraph::Make(job);
    ASSERT_TRUE(graph.ok());
    const Plan played = Planned(job);
    const Plan bound = Planned(job, 0);
    ASSERT_TRUE(played.exact) << "seed " << seed;
    ASSERT_EQ(played.blocks_played, played.blocks - played.masked) << "seed " << seed;
    ASSERT_LE(played.widest, bound.widest) << "seed " << seed;
    ASSERT_LE(played.critical_path, bound.critical_path) << "seed " << seed;
    ASSERT_LE(played.memory.expected, bound.memory.at_most) << "seed " << seed;
    bool plain = true;
    for (TaskIndex t = 0; t < job.tasks.size(); ++t) {
      const TaskPlan& task = played.tasks[t];
      masked += task.masked > 0 ? 1 : 0;
      exclusive += task.conflict == Conflict::kExclusive ? 1 : 0;
      plain &= !task.has_mask && task.conflict != Conflict::kExclusive;
      ASSERT_LE(task.widest, task.at_once_max) << "seed " << seed;
      ASSERT_LE(task.critical_path, bound.tasks[t].critical_path) << "seed " << seed;
      std::map<uint64_t, uint64_t> sizes;
      for (BlockIndex b = 0; b < task.blocks; ++b) {
        const GridPoint k = graph->grid(t).PointOf(b);
        if (graph->mask(t) == nullptr || graph->mask(t)->Contains(k)) {
          ++sizes[graph->levels(t).LevelOf(k)];
        }
      }
      for (const LevelSize& level : task.levels) {
        ASSERT_EQ(sizes[level.first_level], level.blocks) << "seed " << seed;
      }
      CheckReads(*graph, played, t, seed);
      if (!task.has_mask && task.conflict == Conflict::kOrdered) {
        // For a task alone, the bounds are the exact numbers.
        TaskSpec alone = job.tasks[t];
        alone.upstream.clear();
        const Plan of_one = Planned(Job({alone}));
        ASSERT_EQ(of_one.widest, task.at_once_max) << "seed " << seed;
        ASSERT_EQ(of_one.critical_path, task.critical_path) << "seed " << seed;
      }
    }
    if (!plain) continue;
    ASSERT_EQ(played.critical_path, LongestChain(*graph)) << "seed " << seed;
  }
  EXPECT_GT(masked, 50);
  EXPECT_GT(exclusive, 50);
}

TEST(Plan, FirstInFirstOutWithAMaskComesToItsEnd) {
  TaskSpec task = Cube("t", 2, 600, 1);
  task.order = Order::kFifo;
  task.mask = MaskSpec{
      .offset = {0, 0}, .voxel_size = {6000, 6000}, .shape = {1, 1}, .bits = "\x80", .file = {}};
  const Plan plan = Planned(Job({task}));
  EXPECT_TRUE(plan.exact);
  EXPECT_EQ(plan.critical_path, 4u);
}

// ---- memory ----

TEST(PlanMemory, KnowsTheSizesOfPagesAndChunks) {
  BlockStates states(1);
  states.Set(0, BlockState::kIssued);
  EXPECT_EQ(states.bytes(), Planned(Job({Line("t", 1)}), 0).memory.at_most);
}

struct MemoryCase {
  std::string name;
  JobSpec job;
};

std::vector<MemoryCase> MemoryCases() {
  const auto with = [](TaskSpec task, Conflict conflict, std::vector<std::string> upstream = {}) {
    task.read_write_conflict = conflict;
    task.upstream = std::move(upstream);
    return task;
  };
  TaskSpec fifo = Cube("t", 3, 60, 1);
  fifo.order = Order::kFifo;
  TaskSpec masked = Cube("t", 3, 60, 1);
  masked.mask = MaskSpec{.offset = {0, 0, 0},
                         .voxel_size = {150, 600, 600},
                         .shape = {4, 1, 1},
                         .bits = "\xD0",
                         .file = {}};
  return {
      {"no conflict", Job({with(Cube("t", 3, 60, 0), Conflict::kNone)})},
      {"2-D levels", Job({Cube("t", 2, 500, 1)})},
      {"3-D levels", Job({Cube("t", 3, 60, 1)})},
      {"3-D levels, fifo", Job({fifo})},
      {"3-D levels, long context", Job({Cube("t", 3, 60, 25)})},
      {"3-D levels, masked", Job({masked})},
      {"4-D levels", Job({Cube("t", 4, 20, 1)})},
      {"exclusive", Job({with(Cube("t", 3, 40, 1), Conflict::kExclusive)})},
      {"chain, 27 each", Job({with(Cube("a", 3, 50, 0), Conflict::kNone),
                              with(Cube("b", 3, 50, 5), Conflict::kNone, {"a"})})},
      {"chain of levels",
       Job({Cube("a", 3, 50, 1), with(Cube("b", 3, 50, 1), Conflict::kOrdered, {"a"})})},
  };
}

TEST(PlanMemory, EstimateIsNearWhatTheFrontierHolds) {
  for (const MemoryCase& memory_case : MemoryCases()) {
    SCOPED_TRACE(memory_case.name);
    const PlanMemory estimate = Planned(memory_case.job, 0).memory;
    const uint64_t measured = Planned(memory_case.job).memory.expected;
    RecordProperty(memory_case.name, fmt::format("{} {}", estimate.expected, measured));
    EXPECT_LE(measured, estimate.expected);
    EXPECT_GE(10 * measured, estimate.expected);
    EXPECT_LE(estimate.expected, estimate.at_most);
  }
}

}  // namespace
}  // namespace bellis
