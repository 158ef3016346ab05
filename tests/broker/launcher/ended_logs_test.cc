#include "broker/launcher/ended_logs.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace bellis {
namespace {

namespace fs = std::filesystem;

class EndedLogsTest : public testing::Test {
 protected:
  EndedLogsTest() : dir_(fs::path(testing::TempDir()) / fmt::format("ended-{}", getpid())) {
    fs::create_directories(dir_ / "a");
    fs::create_directories(dir_ / "b");
  }
  ~EndedLogsTest() override { fs::remove_all(dir_); }

  fs::path Stem(const std::string& task, size_t worker) const {
    return dir_ / task / fmt::format("worker_{}", worker);
  }
  /// Ends a worker that has written both its files.
  void End(const std::string& task, size_t worker) {
    for (const char* suffix : {".out", ".err"}) {
      std::ofstream(Stem(task, worker).string() + suffix) << worker << "\n";
    }
    logs_.Add(Stem(task, worker));
  }
  size_t Files(const std::string& task) const {
    return static_cast<size_t>(
        std::distance(fs::directory_iterator(dir_ / task), fs::directory_iterator()));
  }
  bool Has(const std::string& task, size_t worker, const char* suffix) const {
    return fs::exists(fs::symlink_status(Stem(task, worker).string() + suffix));
  }

  const fs::path dir_;
  EndedLogs logs_;
};

TEST_F(EndedLogsTest, TheNewestOfEachTaskRemain) {
  End("b", 1);
  for (size_t worker = 1; worker <= kEndedLogsMax + 5; ++worker) End("a", worker);
  EXPECT_EQ(Files("a"), 2 * kEndedLogsMax);
  EXPECT_FALSE(Has("a", 5, ".out"));
  EXPECT_FALSE(Has("a", 5, ".err"));
  EXPECT_TRUE(Has("a", 6, ".out"));
  EXPECT_TRUE(Has("b", 1, ".err"));
}

TEST_F(EndedLogsTest, FilesThatOthersHaveWrittenToOrPutThereStay) {
  for (size_t worker = 1; worker <= kEndedLogsMax; ++worker) End("a", worker);
  std::ofstream(Stem("a", 1).string() + ".out", std::ios::app) << "a worker of another run\n";
  fs::remove(Stem("a", 2).string() + ".out");
  fs::create_symlink(dir_ / "b", Stem("a", 2).string() + ".out");
  for (size_t worker = 1; worker <= 3; ++worker) End("a", kEndedLogsMax + worker);
  EXPECT_TRUE(Has("a", 1, ".out"));
  EXPECT_FALSE(Has("a", 1, ".err"));
  EXPECT_TRUE(Has("a", 2, ".out"));
  EXPECT_FALSE(Has("a", 3, ".out"));
}

TEST_F(EndedLogsTest, AFileThatIsStillWrittenIsRemovedWhenNobodyWritesAnyMore) {
  std::ofstream writer(Stem("a", 1).string() + ".out", std::ios::app);
  End("a", 1);
  EXPECT_EQ(logs_.watched(), 1u);
  for (size_t worker = 2; worker <= kEndedLogsMax + 1; ++worker) End("a", worker);
  writer << "a child of the worker\n" << std::flush;
  logs_.Sweep();
  EXPECT_TRUE(Has("a", 1, ".out"));
  EXPECT_FALSE(Has("a", 1, ".err"));
  writer.close();
  logs_.Sweep();
  EXPECT_EQ(logs_.watched(), 0u);
  EXPECT_FALSE(Has("a", 1, ".out"));
}

TEST_F(EndedLogsTest, FilesThatDoNotExistAreIgnored) {
  for (size_t worker = 1; worker <= kEndedLogsMax + 5; ++worker) logs_.Add(Stem("none", worker));
  EXPECT_EQ(Files("a"), 0u);
}

}  // namespace
}  // namespace bellis
