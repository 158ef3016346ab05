#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "common/task/spec_reader.h"
#include "tests/common/task/sample_job.h"

namespace bellis {
namespace {

namespace fs = std::filesystem;

class PipelineFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "bellis-pipeline-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = fs::canonical(name);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string Write(const std::string& name, const std::string& text) {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return (folder_ / name).string();
  }
  JobSpec Read(const std::string& path) {
    const auto job = ReadPipelineFile(path);
    EXPECT_TRUE(job.ok()) << job.error().message;
    return job.ok() ? *job : JobSpec{};
  }
  std::string Sample(const std::string& head) {
    return Replaced(kSampleToml, "name = \"sample\"\n", head + "\n");
  }

  fs::path folder_;
};

TEST_F(PipelineFile, TakesTheWorkingDirectoryFromItsFolder) {
  EXPECT_EQ(Read(Write("a.toml", Sample(""))).cwd, folder_);
  EXPECT_EQ(Read(Write("a.toml", Sample("cwd = \"\""))).cwd, folder_);
  EXPECT_EQ(Read(Write("a.toml", Sample("cwd = \".\""))).cwd, folder_);
  EXPECT_EQ(Read(Write("deep/a.toml", Sample("cwd = \"../data/./x/\""))).cwd,
            folder_ / "data" / "x");
  EXPECT_EQ(Read(Write("a.toml", Sample("cwd = \"/data\""))).cwd, "/data");
  EXPECT_EQ(Read(Write("a.toml", Sample("cwd = \"/\""))).cwd, "/");
}

TEST_F(PipelineFile, MakesARelativePathAbsolute) {
  Write("sub/a.toml", Sample("cwd = \"..\""));
  const fs::path before = fs::current_path();
  fs::current_path(folder_);
  EXPECT_EQ(Read("sub/a.toml").cwd, folder_);
  fs::current_path(folder_ / "sub");
  EXPECT_EQ(Read("a.toml").cwd, folder_);
  fs::current_path(before);
}

TEST_F(PipelineFile, LeavesTheLogDirAsWritten) {
  EXPECT_EQ(Read(Write("a.toml", Sample("log_dir = \"logs/x\""))).log_dir, "logs/x");
  EXPECT_EQ(Read(Write("a.toml", Sample(""))).log_dir, "");
}

TEST_F(PipelineFile, WithoutANameIsCalledAfterTheFile) {
  EXPECT_EQ(Read(Write("seg v2.toml", Sample(""))).name, "seg v2");
  EXPECT_EQ(Read(Write("seg v2.toml", Sample("name = \"other\""))).name, "other");
  EXPECT_FALSE(ReadPipelineFile(Write("a.toml", Sample("name = \"\""))).ok());
}

TEST_F(PipelineFile, SaysWhenTheFileDoesNotExist) {
  const std::string path = (folder_ / "no.toml").string();
  const auto job = ReadPipelineFile(path);
  ASSERT_FALSE(job.ok());
  EXPECT_EQ(job.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(job.error().message, path + ": no such file");
  EXPECT_EQ(ReadPipelineFile("").error().code, ErrorCode::kNotFound);
}

TEST_F(PipelineFile, SaysWhenItIsAFolder) {
  const auto folder = ReadPipelineFile(folder_.string());
  ASSERT_FALSE(folder.ok());
  EXPECT_EQ(folder.error().code, ErrorCode::kIo);
  EXPECT_EQ(folder.error().message, folder_.string() + ": is a folder; a pipeline file (TOML)");
}

TEST_F(PipelineFile, SaysWhenItCannotBeRead) {
  if (geteuid() == 0) GTEST_SKIP() << "root may read every file";
  const std::string path = Write("a.toml", Sample(""));
  fs::permissions(path, fs::perms::none);
  EXPECT_EQ(ReadPipelineFile(path).error().code, ErrorCode::kIo);
  EXPECT_EQ(ReadPipelineFile(path).error().message, path + ": Permission denied");
}

TEST_F(PipelineFile, NamesThePathAndTheLineInErrors) {
  const std::string path = Write("a.toml", Sample("serial = 1"));
  EXPECT_EQ(ReadPipelineFile(path).error().message, path + ":1: serial is 1; true or false");
}

TEST_F(PipelineFile, HasAtMostOneMebibyte) {
  const std::string path = Write("a.toml", std::string((1 << 20) + 1, '#'));
  EXPECT_EQ(ReadPipelineFile(path).error().message, path + ": has more than 1048576 bytes");
  EXPECT_FALSE(ReadPipelineFile("/dev/zero").ok());
}

}  // namespace
}  // namespace bellis
