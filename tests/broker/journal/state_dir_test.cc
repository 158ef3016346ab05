// Which broker may use a state directory, and why others are refused.

#include "broker/journal/state_dir.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "tests/folder.h"

namespace bellis::test {
namespace {

std::string Refusal(const std::string& path) {
  const auto taken = StateDir::Take(path);
  return taken.ok() ? "taken" : taken.error().message;
}

TEST(StateDir, IsMadeForItsUserAlone) {
  const Folder folder;
  const auto taken = StateDir::Take(folder / "a/b");
  ASSERT_TRUE(taken.ok()) << taken.error().message;
  const auto mode = std::filesystem::status(folder / "a/b").permissions();
  EXPECT_EQ(mode, std::filesystem::perms::owner_all);
}

TEST(StateDir, IsLockedByOneBroker) {
  const Folder folder;
  {
    const auto first = StateDir::Take(folder / "a");
    ASSERT_TRUE(first.ok());
    EXPECT_EQ(Refusal(folder / "a"), "state directory " + folder.path() +
                                         "/a: another broker has it (pid " +
                                         std::to_string(getpid()) + ")");
  }
  EXPECT_EQ(Refusal(folder / "a"), "taken");
}

TEST(StateDir, IsRefusedIfOthersMayEnterIt) {
  const Folder folder;
  chmod(folder.path().c_str(), 0750);
  EXPECT_NE(Refusal(folder.path()).find("mode 0750 and owner"), std::string::npos);
}

TEST(StateDir, IsRefusedIfItIsAFile) {
  const Folder folder;
  std::ofstream(folder / "file") << "x";
  EXPECT_NE(Refusal(folder / "file").find("Not a directory"), std::string::npos);
  EXPECT_NE(Refusal(folder / "file/below").find("Not a directory"), std::string::npos);
}

TEST(StateDir, IsRefusedIfItsFilesLeadElsewhere) {
  for (const std::string name : {"lock", "acknowledged", "progress.sqlite", "progress.sqlite-wal",
                                 "progress.sqlite-shm", "progress.sqlite-journal"}) {
    SCOPED_TRACE(name);
    const Folder folder;
    std::filesystem::create_directory(folder / "a");
    chmod((folder / "a").c_str(), 0700);
    std::ofstream(folder / "mine") << "mine";
    const std::string in_place = folder / ("a/" + name);
    std::filesystem::create_symlink(folder / "mine", in_place);
    EXPECT_NE(Refusal(folder / "a").find("holds \"" + name + "\""), std::string::npos);
    std::filesystem::remove(in_place);
    std::filesystem::create_hard_link(folder / "mine", in_place);
    EXPECT_NE(Refusal(folder / "a").find("names 2"), std::string::npos);
    std::filesystem::remove(in_place);
    ASSERT_EQ(mkfifo(in_place.c_str(), 0600), 0);
    EXPECT_NE(Refusal(folder / "a").find("holds \"" + name + "\""), std::string::npos);
  }
}

TEST(StateDir, IsRefusedIfItCannotBeWritten) {
  EXPECT_NE(Refusal("/proc/bellis").find("cannot be made"), std::string::npos);
}

TEST(StateDir, NamesNetworkFileSystems) {
  EXPECT_STREQ(NetworkFileSystem(0x6969), "NFS");
  EXPECT_STREQ(NetworkFileSystem(0x0BD00BD0), "Lustre");
  EXPECT_EQ(NetworkFileSystem(0xEF53), nullptr);  // ext4
}

}  // namespace
}  // namespace bellis::test
