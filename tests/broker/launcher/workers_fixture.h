#pragma once

// A process table with workers that are shell scripts, for its tests.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <string>
#include <utility>
#include <vector>

#include "broker/launcher/process_table.h"
#include "tests/broker/launcher/process_testing.h"

namespace bellis {

// Time is an argument: a grace period of 5 s is over when the test says so. Only processes take
// real time.
inline constexpr Instant kStart{1'000'000'000};
inline Instant After(double seconds) { return kStart + Duration::Seconds(seconds); }

class WorkersFixture : public ProcessTest {
 protected:
  explicit WorkersFixture(ProcessTree::Source source = ProcessTree::Source::kBest)
      : table_({.leftover_grace = Duration::Seconds(3), .tree_source = source}) {}

  Result<pid_t> Start(uint64_t worker, const std::string& script,
                      const std::string& task = "task") {
    return table_.Start(WorkerId(worker),
                        {{"/bin/sh", "-c", script}, {}, "", {.log_dir = dir(), .task = task}});
  }

  LogLabel Log() { return {.log_dir = dir(), .task = "task"}; }

  std::string Path(uint64_t worker, const std::string& suffix, const std::string& task = "task") {
    return fmt::format("{}/worker_{}.{}", TaskLogDir(dir(), task), worker, suffix);
  }

  int64_t OnDisk(uint64_t worker) {
    struct stat status {};
    EXPECT_EQ(stat(Path(worker, "out").c_str(), &status), 0);
    return int64_t{status.st_blocks} * 512;
  }

  /// The worker's stdout log without its first line.
  std::string Out(uint64_t worker) { return AfterHeading(ReadFile(Path(worker, "out"))); }

  /// Waits until the worker has written `text` to stdout.
  bool Says(uint64_t worker, const std::string& text) {
    return Eventually([&] { return Out(worker).find(text) != std::string::npos; });
  }

  /// The next exit that is reported while the clock stands at `now`.
  WorkerExit AwaitExit(Instant now = kStart) {
    EXPECT_TRUE(Eventually([&] {
      for (WorkerExit& exit : table_.Poll(now)) exits_.push_back(std::move(exit));
      return !exits_.empty();
    }));
    if (exits_.empty()) return {};
    WorkerExit first = exits_.front();
    exits_.erase(exits_.begin());
    return first;
  }

  /// Expects that no more exits are reported, and that no process is left.
  void ExpectAllGone(Instant now = kStart) {
    EXPECT_TRUE(table_.Poll(now).empty());
    EXPECT_EQ(table_.size(), 0u);
    EXPECT_EQ(table_.next_deadline(), Instant::Never());
    EXPECT_TRUE(Marked().empty());
    EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1) << "a child, or a zombie, is left";
  }

  ProcessTable table_;
  std::vector<WorkerExit> exits_;
};

}  // namespace bellis
