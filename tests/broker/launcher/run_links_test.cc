#include "broker/launcher/run_links.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace bellis {
namespace {

namespace fs = std::filesystem;

class RunLinksTest : public testing::Test {
 protected:
  RunLinksTest() : dir_(fs::path(testing::TempDir()) / fmt::format("links-{}", getpid())) {
    fs::create_directories(dir_);
  }
  ~RunLinksTest() override { fs::remove_all(dir_); }

  std::string Point(const std::string& run, const std::string& task = "t") {
    return links_.Point({.log_dir = dir_.string(), .run = run, .task = task});
  }
  std::string Link(const std::string& name) const {
    std::error_code error;
    return fs::read_symlink(dir_ / name, error).string();
  }
  size_t Entries() const {
    return static_cast<size_t>(
        std::distance(fs::directory_iterator(dir_), fs::directory_iterator()));
  }

  const fs::path dir_;
  RunLinks links_;
};

TEST_F(RunLinksTest, LeadToTheNewestRunAndItsTasks) {
  EXPECT_EQ(Point("2026-11-27T030507Z_a-1_x"), "");
  EXPECT_EQ(Link("latest"), "2026-11-27T030507Z_a-1_x");
  EXPECT_EQ(Link("t"), "latest/t");
  EXPECT_EQ(Point("2026-11-27T030508Z_a-2_x", "u/v"), "");
  EXPECT_EQ(Link("latest"), "2026-11-27T030508Z_a-2_x");
  EXPECT_EQ(Link("u%2Fv"), "latest/u%2Fv");
  EXPECT_EQ(Point("2026-11-27T030507Z_a-1_x"), "") << "of two jobs that start workers by turns";
  EXPECT_EQ(Link("latest"), "2026-11-27T030508Z_a-2_x");
  EXPECT_EQ(Entries(), 3u) << "nothing else is left";
}

TEST_F(RunLinksTest, AreSwitchedByTheNewerRun) {
  EXPECT_EQ(Point("2026-11-27T030508Z_a-2_x"), "");
  RunLinks other;  // the links of a job that goes on
  EXPECT_EQ(other.Point({.log_dir = dir_.string(), .run = "2026-11-27T030507Z_a-1_x"}), "");
  EXPECT_EQ(Link("latest"), "2026-11-27T030507Z_a-1_x");
}

TEST_F(RunLinksTest, AreNotMadeForARunWithoutAName) {
  EXPECT_EQ(Point(""), "");
  EXPECT_EQ(Entries(), 0u);
}

TEST_F(RunLinksTest, AreNotMadeForATaskCalledLatest) {
  EXPECT_EQ(Point("run", "latest"), "");
  EXPECT_EQ(Link("latest"), "run");
  EXPECT_EQ(Entries(), 1u);
}

TEST_F(RunLinksTest, LeaveFilesThatAreInTheWayAndReportThemOnce) {
  std::ofstream(dir_ / "latest") << "somebody's";
  fs::create_directory(dir_ / "t");
  EXPECT_EQ(Point("1"), fmt::format("the logs of run 1 have no link: {}/latest is not a symbolic "
                                    "link: remove it",
                                    dir_.string()));
  EXPECT_EQ(Point("2"), "");
  EXPECT_TRUE(fs::is_regular_file(dir_ / "latest"));
  EXPECT_TRUE(fs::is_directory(dir_ / "t"));
  fs::remove(dir_ / "latest");
  EXPECT_EQ(Point("3"), "");
  EXPECT_EQ(Link("latest"), "3");
}

TEST_F(RunLinksTest, OfAnotherUserAreNotReplaced) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can play another user";
  fs::create_symlink("theirs", dir_ / "latest");
  ASSERT_EQ(lchown((dir_ / "latest").c_str(), 12345, 12345), 0);
  EXPECT_NE(Point("1").find("latest is a symbolic link of another user (uid 12345; you are 0)"),
            std::string::npos);
  EXPECT_EQ(Link("latest"), "theirs");
}

TEST_F(RunLinksTest, OfAKilledLauncherAreReplaced) {
  fs::create_symlink("half done", dir_ / fmt::format(".latest.{}", getpid()));
  EXPECT_EQ(Point("1"), "");
  EXPECT_EQ(Link("latest"), "1");
  EXPECT_EQ(Entries(), 2u);
}

}  // namespace
}  // namespace bellis
