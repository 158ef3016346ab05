#include "tools/program_files.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <vector>

#include "tests/client/fake_broker.h"

namespace bellis {
namespace {

class ProgramFilesTest : public testing::Test {
 protected:
  /// The files that a command of a job in this folder names, without the folder.
  std::vector<std::string> Named(std::vector<std::string> command) const {
    std::vector<std::string> names;
    for (const auto& [path, digest] : Read(std::move(command))) {
      EXPECT_TRUE(path.starts_with(dir_.path() + "/")) << path;
      EXPECT_EQ(digest.size(), 16u);
      names.push_back(path.substr(dir_.path().size() + 1));
    }
    return names;
  }
  Environment Read(std::vector<std::string> command) const {
    JobSpec spec;
    spec.cwd = dir_.path();
    spec.tasks.emplace_back().workers.push_back({std::move(command), 1, {}});
    return ProgramFiles(spec);
  }
  using Names = std::vector<std::string>;

  TemporaryDir dir_;
};

TEST_F(ProgramFilesTest, ScriptsSettingsAndProgramsCount) {
  dir_.Write("worker.py", "a");
  dir_.Write("c.json", "b");
  dir_.Write("tool", "c", /*executable=*/true);
  EXPECT_EQ(Named({"sh", "worker.py", "--config=c.json"}), (Names{"c.json", "worker.py"}));
  EXPECT_EQ(Named({"sh", "-c", "cat x; ./tool && python worker.py"}), (Names{"tool", "worker.py"}));
  EXPECT_EQ(Named({dir_.path() + "/tool", dir_.path() + "/../none.py", ""}), Names{"tool"});
}

TEST_F(ProgramFilesTest, DataAndSystemProgramsAndBellisItselfDoNotCount) {
  dir_.Write("data.npy", "a");
  const std::string large = dir_.Write("large.py", "");
  std::filesystem::resize_file(large, (64 << 20) + 1);
  std::filesystem::create_directory(dir_.path() + "/folder.py");
  std::filesystem::create_symlink("/usr/bin/env", dir_.path() + "/env");
  std::filesystem::create_symlink("/proc/self/exe", dir_.path() + "/bellis");
  EXPECT_EQ(Named({"./env", "./bellis", "data.npy", "large.py", "folder.py", "sh"}), Names{});
}

TEST_F(ProgramFilesTest, TheDigestDependsOnTheContents) {
  dir_.Write("worker.py", "a");
  const Environment before = Read({"sh", "worker.py"});
  dir_.Write("worker.py", "b");
  const Environment after = Read({"sh", "worker.py"});
  EXPECT_NE(before, after);
  dir_.Write("worker.py", "a");
  EXPECT_EQ(Read({"sh", "worker.py"}), before);
}

TEST_F(ProgramFilesTest, CheckersCount) {
  dir_.Write("check.sh", "a");
  JobSpec spec;
  spec.cwd = dir_.path();
  spec.tasks.emplace_back().post_check = WorkerGroup{{"sh", "check.sh"}, 1, {}};
  EXPECT_EQ(ProgramFiles(spec).size(), 1u);
}

}  // namespace
}  // namespace bellis
