#include "tools/progress.h"

#include <gtest/gtest.h>

#include "tests/tools/status_fixture.h"
#include "tools/text.h"

namespace bellis {
namespace {

using Lines = std::vector<std::string>;

constexpr Instant At(double seconds) { return Instant() + Duration::Seconds(seconds); }

/// Two tasks after ten seconds at 2 blocks a second.
Progress TwoTasks() {
  Progress progress;
  progress.Update(TestJob({TestTask("smooth", 64, 11, 4, 12), TestTask("segment", 16)}), At(0));
  progress.Update(TestJob({TestTask("smooth", 64, 31, 4, 12), TestTask("segment", 16)}), At(10));
  return progress;
}

TEST(Progress, WideTerminalShowsCountsInWords) {
  EXPECT_EQ(TwoTasks().Lines(120, 24, At(10)),
            (Lines{"smooth  █████████████████▉                     48% 31/64  "
                   "pending 17  ready 12  running 4  completed 31  2.0/s  ETA 17 s",
                   "segment                                         0% 0/16   pending 16"}));
}

TEST(Progress, EveryWidthFitsAndKeepsNameAndNumbers) {
  const Progress progress = TwoTasks();
  for (int width = 1; width < 200; ++width) {
    for (const std::string& line : progress.Lines(width, 24, At(10))) {
      EXPECT_LE(DisplayWidth(line), width) << line;
      const char* numbers = line[1] == 'm' ? "31/64" : "0/16";
      EXPECT_TRUE(width < 20 || line.find(numbers) != std::string::npos) << line;
    }
  }
}

TEST(Progress, NarrowTerminalLeavesOutCountsThenRateThenBar) {
  const Progress progress = TwoTasks();
  EXPECT_EQ(progress.Lines(60, 24, At(10)),
            (Lines{"smooth  █████████▋            48% 31/64  ▶4  2.0/s  ETA 17 s",
                   "segment                        0% 0/16   ▶0"}));
  EXPECT_EQ(progress.Lines(46, 24, At(10))[0], "smooth  ████▊       48% 31/64  2.0/s  ETA 17 s");
  EXPECT_EQ(progress.Lines(32, 24, At(10))[0], "smooth  ██████▎        48% 31/64");
  EXPECT_EQ(progress.Lines(20, 24, At(10))[0], "smooth   48% 31/64");
}

TEST(Progress, FailuresStayInSightOnNarrowTerminals) {
  TaskStatus task = TestTask("smooth", 64, 31, 4);
  task.counts.failed = 2;
  task.counts.orphaned = 3;
  task.counts.pending -= 5;
  Progress progress;
  progress.Update(TestJob({task}), At(0));
  EXPECT_EQ(progress.Lines(50, 24, At(0))[0], "smooth ███████████▎            51% 33/64  ▶4 ✗2 ∅3");
}

TEST(Progress, RateIsThatOfTheLastTenSeconds) {
  Progress progress;
  for (int second = 0; second <= 100; ++second) {
    // One block per second at first, then ten per second.
    const auto done = static_cast<uint64_t>(second <= 50 ? second : 50 + 10 * (second - 50));
    progress.Update(TestJob({TestTask("t", 10'000, done)}), At(second));
  }
  EXPECT_NE(progress.PlainLine(At(100)).find("10.0/s"), std::string::npos);
}

TEST(Progress, RateFallsWhileNothingHappens) {
  Progress progress;
  progress.Update(TestJob({TestTask("t", 100, 0)}), At(0));
  progress.Update(TestJob({TestTask("t", 100, 10)}), At(1));
  EXPECT_NE(progress.PlainLine(At(1)).find("10.0/s, ETA 9.0 s"), std::string::npos);
  EXPECT_NE(progress.PlainLine(At(10)).find("1.0/s, ETA 1 m 30 s"), std::string::npos);
}

TEST(Progress, SkippedBlocksDoNotCountForTheEta) {
  TaskStatus task = TestTask("t", 100, 50);
  Progress progress;
  progress.Update(TestJob({TestTask("t", 100, 0)}), At(0));
  task.counts.skipped = 50;
  progress.Update(TestJob({task}), At(1));
  EXPECT_EQ(progress.PlainLine(At(1)), "[12 s] t 50/100 (50%)");
}

TEST(Progress, PercentIsFullOnlyAtTheEnd) {
  Progress progress;
  progress.Update(TestJob({TestTask("t", 1000, 999, 1)}), At(0));
  EXPECT_EQ(progress.PlainLine(At(0)), "[12 s] t 999/1000 (99%), 1 running");
  progress.Update(TestJob({TestTask("t", 1000, 1000)}), At(1));
  EXPECT_EQ(progress.PlainLine(At(1)), "[12 s] t 1000/1000 (100%)");
}

TEST(Progress, TaskWithoutBlocksIsDone) {
  Progress progress;
  progress.Update(TestJob({TestTask("t", 0)}), At(0));
  EXPECT_EQ(progress.PlainLine(At(0)), "[12 s] t 0/0 (100%)");
}

TEST(Progress, MaskedBlocksDoNotCount) {
  TaskStatus task = TestTask("t", 100, 20);
  task.counts.masked = 60;
  task.counts.pending -= 60;
  Progress progress;
  progress.Update(TestJob({task}), At(0));
  EXPECT_EQ(progress.PlainLine(At(0)), "[12 s] t 20/40 (50%)");
}

TEST(Progress, WithMoreTasksThanLinesShowsRunningTasks) {
  std::vector<TaskStatus> tasks;
  for (int i = 0; i < 30; ++i) {
    tasks.push_back(TestTask("task" + std::to_string(i), 10, i < 20 ? 10 : 0, i == 25 ? 2 : 0));
  }
  Progress progress;
  progress.Update(TestJob(tasks), At(0));
  const Lines lines = progress.Lines(80, 4, At(0));
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[0].substr(0, 6), "task20");
  EXPECT_EQ(lines[1].substr(0, 6), "task21");
  EXPECT_EQ(lines[2].substr(0, 6), "task25");
  EXPECT_EQ(lines[3], "... and 27 more tasks");
}

TEST(Progress, PlainLineHasTheFailuresOfEachTask) {
  TaskStatus task = TestTask("a", 10, 3, 2);
  task.counts.failed = 1;
  task.counts.orphaned = 2;
  task.counts.pending -= 3;
  Progress progress;
  progress.Update(TestJob({task, TestTask("b", 4)}), At(0));
  EXPECT_EQ(progress.PlainLine(At(0)),
            "[12 s] a 4/10 (40%), 2 running, 1 failed, 2 orphaned; b 0/4 (0%)");
}

TEST(Progress, NamesCannotMoveTheCursor) {
  Progress progress;
  progress.Update(TestJob({TestTask("a\x1b[2J\n平滑", 4)}), At(0));
  const std::string line = progress.Lines(80, 24, At(0))[0];
  EXPECT_EQ(line.find('\x1b'), std::string::npos);
  EXPECT_EQ(line.find('\n'), std::string::npos);
}

TEST(Bar, FillsInEighths) {
  EXPECT_EQ(Bar(0, 4), "    ");
  EXPECT_EQ(Bar(0.5, 4), "██  ");
  EXPECT_EQ(Bar(0.53125, 4), "██▏ ");
  EXPECT_EQ(Bar(1, 4), "████");
  EXPECT_EQ(Bar(7, 2), "██");
}

}  // namespace
}  // namespace bellis
