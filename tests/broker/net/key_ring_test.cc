#include "broker/net/key_ring.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "tests/folder.h"

namespace bellis {
namespace {

class KeyRingTest : public testing::Test {
 protected:
  std::string Path() const { return folder_ / "server_key"; }
  KeyRing Open(bool jobs_last = true) const { return *KeyRing::Open(Path(), jobs_last); }

  const test::Folder folder_;
};

TEST_F(KeyRingTest, TheSameFileGivesTheSameKeys) {
  const KeyRing first = Open();
  struct stat info {};
  ASSERT_EQ(stat(Path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  const KeyRing second = Open();
  EXPECT_EQ(first.server_secret(), second.server_secret());
  EXPECT_EQ(first.AccessOf(AccessRole::kOwner), second.AccessOf(AccessRole::kOwner));
  EXPECT_EQ(first.AccessOf(AccessRole::kWorker, "j-1"),
            second.AccessOf(AccessRole::kWorker, "j-1"));
  const KeyRing other = *KeyRing::Open("", true);
  EXPECT_NE(other.server_public(), first.server_public());
}

TEST_F(KeyRingTest, KeysOfJobsWithTheSameIdOfTwoBrokersDiffer) {
  const KeyRing first = Open(/*jobs_last=*/false);
  const KeyRing second = Open(/*jobs_last=*/false);
  EXPECT_EQ(first.AccessOf(AccessRole::kOwner), second.AccessOf(AccessRole::kOwner));
  EXPECT_NE(first.AccessOf(AccessRole::kWorker, "j-1").keys.secret_key,
            second.AccessOf(AccessRole::kWorker, "j-1").keys.secret_key);
}

TEST_F(KeyRingTest, EachHolderHasKeysAndATokenOfItsOwn) {
  KeyRing ring = Open();
  std::set<std::string> secrets = {ring.server_secret()};
  for (const AccessRole role : {AccessRole::kOwner, AccessRole::kLauncher, AccessRole::kWatcher}) {
    const Access access = ring.AccessOf(role);
    EXPECT_EQ(access.keys.server_key, ring.server_public());
    secrets.insert(access.keys.secret_key);
    secrets.insert(access.token);
    EXPECT_EQ(ring.FindKey(access.keys.public_key)->role, role);
    EXPECT_EQ(ring.FindToken(access.token)->role, role);
    EXPECT_EQ(ring.FindToken(access.token.substr(1)), nullptr);
  }
  EXPECT_EQ(secrets.size(), 7U);
  EXPECT_EQ(ring.FindKey(""), nullptr);
  EXPECT_EQ(ring.FindToken(""), nullptr);
}

TEST_F(KeyRingTest, AJobsKeyIsValidWhileTheJobRuns) {
  KeyRing ring = Open();
  const Access access = ring.AccessOf(AccessRole::kWorker, "j-1");
  EXPECT_EQ(ring.FindKey(access.keys.public_key), nullptr);
  ring.AddJob("j-1");
  const KeyRing::GrantRef grant = ring.FindKey(access.keys.public_key);
  ASSERT_NE(grant, nullptr);
  EXPECT_EQ(ring.FindToken(access.token), grant);
  EXPECT_EQ(grant->job, "j-1");
  EXPECT_FALSE(grant->revoked);
  ring.EndJob("j-2");
  ring.EndJob("j-1");
  EXPECT_TRUE(grant->revoked) << "whoever is connected has lost it, too";
  EXPECT_EQ(ring.FindKey(access.keys.public_key), nullptr);
  EXPECT_EQ(ring.FindToken(access.token), nullptr);
  ring.AddJob("j-1");
  EXPECT_FALSE(ring.FindKey(access.keys.public_key)->revoked);
  EXPECT_TRUE(grant->revoked);
}

TEST_F(KeyRingTest, FilesThatCannotBeTrustedAreRefused) {
  Open();
  ASSERT_EQ(chmod(Path().c_str(), 0640), 0);
  EXPECT_NE(KeyRing::Open(Path(), true).error().message.find("mode 0640"), std::string::npos);
  ASSERT_EQ(chmod(Path().c_str(), 0600), 0);
  EXPECT_TRUE(KeyRing::Open(Path(), true).ok());
  std::string line;
  std::getline(std::ifstream(Path()), line);
  for (size_t i = 0; i < line.size(); ++i) {
    std::string damaged = line + "\n";
    damaged[i] = damaged[i] == '7' ? '8' : '7';
    std::ofstream(Path()) << damaged;
    EXPECT_NE(KeyRing::Open(Path(), true).error().message.find("damaged"), std::string::npos) << i;
    std::ofstream(Path()) << damaged.substr(0, i);
    EXPECT_FALSE(KeyRing::Open(Path(), true).ok()) << i;
  }
  std::filesystem::rename(Path(), folder_ / "elsewhere");
  ASSERT_EQ(symlink((folder_ / "elsewhere").c_str(), Path().c_str()), 0);
  EXPECT_FALSE(KeyRing::Open(Path(), true).ok()) << "a link";
  std::filesystem::remove(Path());
  ASSERT_EQ(mkfifo(Path().c_str(), 0600), 0);
  EXPECT_FALSE(KeyRing::Open(Path(), true).ok()) << "and it is not waited for";
}

}  // namespace
}  // namespace bellis
