#include "tools/plan_text.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "common/task/no_blocks.h"
#include "tools/text.h"

namespace bellis {
namespace {

TaskSpec Square(const std::string& id, int64_t blocks, int64_t context, uint32_t workers) {
  TaskSpec task;
  task.task_id = id;
  task.total_roi =
      Roi({-context, -context}, {10 * blocks + 2 * context, 10 * blocks + 2 * context});
  task.read_roi = Roi({-context, -context}, {10 + 2 * context, 10 + 2 * context});
  task.write_roi = Roi({0, 0}, {10, 10});
  task.workers = {WorkerGroup{{"work"}, workers, {}}};
  return task;
}

Plan Planned(std::vector<TaskSpec> tasks, uint64_t play_blocks_max = kPlayBlocksMax) {
  JobSpec job;
  job.name = "brain";
  job.tasks = std::move(tasks);
  return *MakePlan(job, play_blocks_max);
}

std::vector<TaskSpec> Chain() {
  TaskSpec segment = Square("segment", 5, 10, 4);
  segment.read_write_conflict = Conflict::kNone;
  segment.upstream = {"smooth"};
  return {Square("smooth", 5, 2, 16), segment};
}

void ExpectContains(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << "no '" << part << "' in\n" << text;
}

TEST(NoBlocks, NamesTheSizesThatLeaveNoRoom) {
  TaskSpec task = Square("small", 1, 2, 1);
  EXPECT_EQ(WhyNoBlocks(task), std::nullopt);
  task.total_roi = Roi({-2, -2}, {14, 13});
  const std::string why =
      "in dimension 1, total_roi has 13 units, 9 of them can be written to without the context "
      "(read_roi beyond write_roi), and a block writes 10";
  const std::string cure = ". With fit \"overhang\" or \"shrink\" there would be one";
  EXPECT_EQ(WhyNoBlocks(task), why + cure);
  JobSpec job;
  job.tasks = {task};
  EXPECT_EQ(NoBlocksWarnings(job),
            std::vector<std::string>{"task 'small' has no blocks: " + why + cure});
  EXPECT_EQ(PlanWarnings(Planned({task})).at(0), "task 'small' has no blocks: " + why + cure);
  task.fit = Fit::kShrink;
  EXPECT_EQ(WhyNoBlocks(task), std::nullopt);
  task.total_roi = Roi({-2, -2}, {14, 4});
  EXPECT_EQ(WhyNoBlocks(task),
            "in dimension 1, total_roi has 4 units, 0 of them can be written to without the "
            "context (read_roi beyond write_roi), and a block writes 10");
}

TEST(PlanText, OfAPlayedJob) {
  EXPECT_EQ(PlanText(Planned(Chain())), R"(
Task smooth
  blocks             25 = 5 x 5
  conflict           ordered, in 4 levels: blocks less than 2 x 2 apart never run at once
  blocks per level   level 0: 4 blocks
                     2 levels, from level 1: 6 blocks each
                     level 3: 9 blocks
  can run at once    at most 9 blocks
  longest chain      4 blocks, one after the other; runs from step 1 to 4 of the job's 5
  workers            16

Task segment
  blocks             25 = 5 x 5
  conflict           none: any blocks may run at the same time
  can run at once    at most 25 blocks
  longest chain      1 block; runs in step 5 of the job's 5
  upstream           'smooth': a block reads 4 to 9 of its blocks, typically 9
  workers            4

Job brain
  blocks             50
  can run at once    25 blocks if all take equally long; more workers would wait
  longest chain      5 blocks: the job's length in block times, however many workers
  broker memory      about 12 KiB for block states and queues if workers keep pace, 20 KiB at most
  these numbers      exact, by playing all 50 blocks through, each taking one step

  warning            task 'smooth': 16 workers, but never more than 9 blocks can run at once; 7
                     would always wait
)");
}

TEST(PlanText, OfABillionBlocksSaysWhatIsABound) {
  TaskSpec task = Square("huge", 40'000, 2, 16);
  const std::string text = PlanText(Planned({task}));
  ExpectContains(text, "  blocks             1,600,000,000 = 40,000 x 40,000\n");
  ExpectContains(text, "  blocks per level   4 levels, from level 0: 400,000,000 blocks each\n");
  ExpectContains(text, "  longest chain      4 blocks, one after the other\n");
  ExpectContains(text, "  longest chain      at most 4 blocks: ");
  ExpectContains(text, "by arithmetic: 'at most' is an upper bound");
}

TEST(PlanText, FitsAHundredColumnsAndFewLines) {
  TaskSpec task = Square("a/very long name, 平滑 and more", 60, 55, 100'000);
  task.chunk_shape = {7, 7};
  std::vector<TaskSpec> tasks = Chain();
  tasks.push_back(task);
  for (const uint64_t play : {kPlayBlocksMax, uint64_t{0}}) {
    const std::string text = PlanText(Planned(tasks, play));
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = text.find('\n', begin);
      EXPECT_LE(DisplayWidth(text.substr(begin, end - begin)), 100);
      begin = end + 1;
    }
  }
}

TEST(PlanText, FoldsTheLevelsThatAreLeft) {
  Plan plan = Planned({Square("t", 5, 2, 1)});
  plan.tasks[0].levels.clear();
  for (uint64_t i = 0; i < 40; ++i) plan.tasks[0].levels.push_back({i, 1, 100 - i});
  const std::string text = PlanText(plan);
  ExpectContains(text, "level 10: 90 blocks\n");
  ExpectContains(text, "  29 other levels: 61 to 89 blocks each\n");
}

TEST(PlanText, SaysHowMuchIsMasked) {
  TaskSpec task = Square("t", 4, 0, 1);
  task.mask = MaskSpec{
      .offset = {0, 0}, .voxel_size = {10, 40}, .shape = {1, 1}, .bits = "\x80", .file = {}};
  ExpectContains(PlanText(Planned({task})),
                 "16 = 4 x 4, of which 12 (75.0 %) are masked, that is left out\n");
  TaskSpec levels = Square("t", 4, 1, 1);
  levels.mask = task.mask;
  ExpectContains(PlanText(Planned({levels}, 0)), "(masked blocks are counted in these)");
}

TEST(PlanText, OfNoBlocksIsShort) {
  const std::string text = PlanText(Planned({Square("t", 0, 0, 1)}));
  ExpectContains(text, "Task t\n  blocks             0\n");
  ExpectContains(text, "no room for a block: done at once\n\nJob brain\n");
}

TEST(PlanText, NamesDoNotMoveTheCursor) {
  EXPECT_EQ(PlanText(Planned({Square("a\x1b[2J", 2, 0, 1)})).find('\x1b'), std::string::npos);
}

TEST(PlanWarnings, OfMoreWorkersThanCanEverRunAtOnce) {
  const std::vector<std::string> warnings = PlanWarnings(Planned(Chain()));
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_EQ(warnings[0],
            "task 'smooth': 16 workers, but never more than 9 blocks can run at once; 7 would "
            "always wait");
}

TEST(PlanErrors, NameTheChunkThatIsSharedAndWhatWouldBeAligned) {
  TaskSpec task = Square("t", 4, 0, 1);
  task.chunk_shape = {10, 8};
  const Plan plan = Planned({task});
  EXPECT_TRUE(plan.has_chunk_errors());
  ASSERT_EQ(PlanErrors(plan).size(), 1u);
  EXPECT_EQ(PlanErrors(plan)[0],
            "task 't': in dimension 1, blocks at positions 0 and 1 write into one chunk of 8, and "
            "may run at the same time: data would be lost (a block ends at 10, no multiple of 8); "
            "write_roi.shape[1] = 8 with total_roi.offset[1] = 0 would be aligned");
  ExpectContains(PlanText(plan), "  storage chunks     ERROR, see below\n");
}

TEST(PlanErrors, SharedInTurnIsAWarning) {
  TaskSpec task = Square("t", 4, 1, 1);
  task.chunk_shape = {10, 8};
  const Plan plan = Planned({task});
  EXPECT_FALSE(plan.has_chunk_errors());
  EXPECT_TRUE(PlanErrors(plan).empty());
  ASSERT_EQ(PlanWarnings(plan).size(), 1u);
  ExpectContains(PlanWarnings(plan)[0], "but never run at the same time");
}

TEST(PlanJson, HasAllNumbers) {
  std::vector<TaskSpec> tasks = Chain();
  tasks[1].chunk_shape = {5, 20};
  const nlohmann::json json = PlanToJson(Planned(tasks));
  EXPECT_EQ(json["name"], "brain");
  EXPECT_EQ(json["exact"], true);
  EXPECT_EQ(json["blocks"], 50);
  EXPECT_EQ(json["tasks"][0]["grid"], (std::vector<int>{5, 5}));
  EXPECT_EQ(json["tasks"][0]["conflict"], "ordered");
  EXPECT_EQ(json["tasks"][0]["level_sizes"][1],
            (nlohmann::json{{"first_level", 1}, {"levels", 2}, {"blocks", 6}}));
  EXPECT_EQ(json["tasks"][0]["idle_workers"], 7);
  EXPECT_TRUE(json["tasks"][0]["chunks"].is_null());
  EXPECT_EQ(json["tasks"][1]["upstream"][0]["reads_max"], 9);
  EXPECT_EQ(json["tasks"][1]["chunks"]["sharing"], "shared_at_once");
  EXPECT_EQ(json["tasks"][1]["chunks"]["positions"], (std::vector<int>{0, 1}));
  EXPECT_EQ(json["tasks"][1]["chunks"]["aligned_write_shape"], 20);
  EXPECT_EQ(json["errors"].size(), 1u);
}

}  // namespace
}  // namespace bellis
