#include "broker/net/connection_guard.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <vector>

#include "broker/net/process_limits.h"

namespace bellis {
namespace {

struct Guarded {
  std::vector<int> cut;
  ConnectionGuard guard{[this](int fd) { cut.push_back(fd); }};
};

TEST(ConnectionGuard, CutsNoConnectionBelowTheLimit) {
  Guarded g;
  for (int fd = 0; fd < 10; ++fd) g.guard.Opened(fd, 10);
  EXPECT_TRUE(g.cut.empty());
  EXPECT_EQ(g.guard.cut_count(), 0U);
}

TEST(ConnectionGuard, CutsTheOldestSilentConnection) {
  Guarded g;
  for (int fd = 5; fd < 10; ++fd) g.guard.Opened(fd, 10);
  g.guard.Greeted(5);
  g.guard.Closed(6);
  g.guard.Opened(10, 10);
  g.guard.Opened(11, 10);
  EXPECT_EQ(g.cut, (std::vector<int>{7, 8}));
  EXPECT_EQ(g.guard.cut_count(), 2U);
}

TEST(ConnectionGuard, CutsTheNewestConnectionIfAllOthersHaveSaidHello) {
  Guarded g;
  for (int fd = 5; fd < 10; ++fd) {
    g.guard.Opened(fd, 10);
    g.guard.Greeted(fd);
  }
  g.guard.Opened(10, 10);
  EXPECT_EQ(g.cut, std::vector<int>{10});
}

TEST(ConnectionGuard, TakesADescriptorThatIsUsedAgainForANewConnection) {
  Guarded g;
  g.guard.Opened(5, 10);
  g.guard.Opened(6, 10);
  g.guard.Opened(5, 10);  // the end of the first connection was not reported yet
  g.guard.Opened(10, 10);
  EXPECT_EQ(g.cut, std::vector<int>{6});
}

TEST(ConnectionGuard, SparesAConnectionWhoseHelloIsReadBeforeItsAcceptIsKnown) {
  Guarded g;
  g.guard.Greeted(5);
  g.guard.Opened(5, 10);
  g.guard.Opened(6, 10);
  g.guard.Opened(10, 10);
  g.guard.Opened(11, 10);
  g.guard.Opened(12, 10);
  EXPECT_EQ(g.cut, (std::vector<int>{6, 10, 11}));
}

TEST(ConnectionGuard, CountsConnectionsWhenLowDescriptorsAreFreeAgain) {
  Guarded g;
  for (int fd = 0; fd < 8; ++fd) g.guard.Opened(fd, 4);  // before any connection was closed
  EXPECT_EQ(g.cut, (std::vector<int>{0, 1, 2, 3}));
  for (int fd = 0; fd < 4; ++fd) g.guard.Closed(fd);
  g.guard.Opened(0, 4);
  EXPECT_EQ(g.cut, (std::vector<int>{0, 1, 2, 3, 4}));
  g.guard.Greeted(5);
  g.guard.Opened(1, 4);
  EXPECT_EQ(g.cut, (std::vector<int>{0, 1, 2, 3, 4, 6}));
}

class ProcessLimits : public testing::Test {
 protected:
  ProcessLimits() { getrlimit(RLIMIT_NOFILE, &before_); }
  ~ProcessLimits() override { setrlimit(RLIMIT_NOFILE, &before_); }
  void SetFilesMax(rlim_t files) {
    const rlimit fewer{files, before_.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &fewer), 0);
  }

 private:
  rlimit before_{};
};

TEST_F(ProcessLimits, SpareElevenHundredDescriptorsOrHalfOfThem) {
  SetFilesMax(100);
  EXPECT_EQ(DescriptorsForConnections(), 50);
  SetFilesMax(3'000);
  EXPECT_EQ(DescriptorsForConnections(), 1'900);
}

TEST_F(ProcessLimits, LeaveRoomForConnectionsThatHaveSaidNothingBesideAllPeers) {
  const auto peers = static_cast<int>(PeersMax());
  EXPECT_LE(peers, 60'000);
  EXPECT_LE(peers, DescriptorsForConnections() - 48);
}

}  // namespace
}  // namespace bellis
