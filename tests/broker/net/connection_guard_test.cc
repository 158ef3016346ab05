#include "broker/net/connection_guard.h"

#include <gtest/gtest.h>

#include <vector>

namespace bellis {
namespace {

struct Guarded {
  std::vector<int> cut;
  ConnectionGuard guard{[this](int fd) { cut.push_back(fd); }};
};

TEST(ConnectionGuard, LeavesThoseBelowTheLimitAlone) {
  Guarded g;
  for (int fd = 0; fd < 10; ++fd) g.guard.Opened(fd, 10);
  EXPECT_TRUE(g.cut.empty());
  EXPECT_EQ(g.guard.cut_count(), 0U);
}

TEST(ConnectionGuard, CutsTheOldestThatHasSaidNothing) {
  Guarded g;
  for (int fd = 5; fd < 10; ++fd) g.guard.Opened(fd, 10);
  g.guard.Greeted(5);
  g.guard.Closed(6);
  g.guard.Opened(10, 10);
  g.guard.Opened(11, 10);
  EXPECT_EQ(g.cut, (std::vector<int>{7, 8}));
  EXPECT_EQ(g.guard.cut_count(), 2U);
}

TEST(ConnectionGuard, CutsTheNewestWhenAllOthersAreGreeted) {
  Guarded g;
  for (int fd = 5; fd < 10; ++fd) {
    g.guard.Opened(fd, 10);
    g.guard.Greeted(fd);
  }
  g.guard.Opened(10, 10);
  EXPECT_EQ(g.cut, std::vector<int>{10});
}

TEST(ConnectionGuard, CountsADescriptorThatServesAgainAsNew) {
  Guarded g;
  g.guard.Opened(5, 10);
  g.guard.Opened(6, 10);
  g.guard.Opened(5, 10);  // the end of the first was not told yet
  g.guard.Opened(10, 10);
  EXPECT_EQ(g.cut, std::vector<int>{6});
}

TEST(ConnectionGuard, SparesSomeOfTheDescriptorsThatThereAre) {
  EXPECT_GT(DescriptorsForConnections(), 0);
}

}  // namespace
}  // namespace bellis
