// The worked cases of the scheduling contract: block ids, ROIs, levels, dependencies and serial
// order of 150 single tasks and 80 chains of two.

#include "tests/broker/schedule/vectors.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/broker/schedule/job_fixture.h"

namespace bellis::test {
namespace {

using Ids = std::vector<CantorId>;

Ids InTaskIds(const Schedule& schedule, const std::vector<BlockRef>& blocks) {
  Ids ids;
  for (const BlockRef& block : blocks) ids.push_back(schedule.id(block));
  std::sort(ids.begin(), ids.end());
  return ids;
}

void CheckSingle(const nlohmann::json& test) {
  JobSpec job;
  job.tasks = {ToTask(test["task"])};
  Schedule schedule(job);
  const BlockGrid& grid = schedule.graph->grid(0);
  ASSERT_EQ(grid.num_blocks(), test["num_blocks"].get<uint64_t>());
  ASSERT_EQ(schedule.graph->levels(0).num_levels(), test["num_levels"].get<uint64_t>());
  std::map<CantorId, BlockIndex> by_id;
  for (BlockIndex i = 0; i < grid.num_blocks(); ++i) {
    ASSERT_EQ(grid.IndexOf(grid.PointOf(i)), i);
    ASSERT_TRUE(by_id.emplace(schedule.id({0, i}), i).second) << "an id twice";
  }
  for (const auto& block : test["blocks"]) {
    ASSERT_TRUE(by_id.count(block["id"])) << "no block " << block["id"];
    const BlockIndex index = by_id[block["id"]];
    const GridPoint k = grid.PointOf(index);
    EXPECT_EQ(grid.ReadRoi(k), ToRoi(block["read"]));
    EXPECT_EQ(grid.WriteRoi(k), ToRoi(block["write"]));
    EXPECT_EQ(schedule.graph->levels(0).LevelOf(k), block["level"].get<uint64_t>());
    EXPECT_EQ(InTaskIds(schedule, schedule.graph->Upstream({0, index})),
              block["upstream"].get<Ids>());
    EXPECT_EQ(InTaskIds(schedule, schedule.graph->Downstream({0, index})),
              block["downstream"].get<Ids>());
  }
  Ids order;
  for (const BlockRef& block : schedule.RunSerially()) order.push_back(schedule.id(block));
  EXPECT_EQ(order, test["serial_order"].get<Ids>());
}

using NamedIds = std::vector<std::pair<std::string, CantorId>>;

void CheckChained(const nlohmann::json& test) {
  JobSpec job;
  for (const auto& task : test["tasks"]) job.tasks.push_back(ToTask(task));
  job.tasks[1].upstream = {job.tasks[0].task_id};
  Schedule schedule(job);
  for (TaskIndex t = 0; t < 2; ++t) {
    ASSERT_EQ(schedule.graph->grid(t).num_blocks(),
              test["num_blocks"][job.tasks[t].task_id].get<uint64_t>());
  }
  std::map<CantorId, BlockIndex> by_id;
  for (BlockIndex i = 0; i < schedule.graph->grid(1).num_blocks(); ++i) {
    by_id[schedule.id({1, i})] = i;
  }
  for (const auto& block : test["downstream_task"]) {
    NamedIds upstream;
    for (const BlockRef& up : schedule.graph->Upstream({1, by_id.at(block["id"])})) {
      upstream.emplace_back(job.tasks[up.task].task_id, schedule.id(up));
    }
    std::sort(upstream.begin(), upstream.end());
    EXPECT_EQ(upstream, block["upstream"].get<NamedIds>());
  }
  NamedIds order;
  for (const BlockRef& block : schedule.RunSerially()) {
    order.emplace_back(job.tasks[block.task].task_id, schedule.id(block));
  }
  EXPECT_EQ(order, test["serial_order"].get<NamedIds>());
}

TEST(BlockwiseVectors, SingleTasksHaveTheseBlocksLevelsDependenciesAndOrder) {
  const auto vectors = LoadVectors();
  ASSERT_EQ(vectors["single"].size(), 150u);
  for (const auto& test : vectors["single"]) {
    SCOPED_TRACE(test["task"].dump());
    CheckSingle(test);
  }
}

TEST(BlockwiseVectors, ChainedTasksHaveTheseDependenciesAndOrder) {
  const auto vectors = LoadVectors();
  ASSERT_EQ(vectors["chained"].size(), 80u);
  for (const auto& test : vectors["chained"]) {
    SCOPED_TRACE(test["tasks"].dump());
    CheckChained(test);
  }
}

}  // namespace
}  // namespace bellis::test
