#include "broker/net/input_guard.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <map>
#include <vector>

#include "common/files/fd.h"

namespace bellis {
namespace {

struct Guarded {
  std::map<int, uint64_t> received;
  std::vector<int> cut;
  InputGuard guard{100, [this](int fd) { return received[fd]; },
                   [this](int fd) { cut.push_back(fd); }};
};

TEST(InputGuard, CutsAConnectionThatSendsTwiceTheBoundWithoutAMessage) {
  Guarded g;
  g.guard.Opened(7);
  g.received[7] = 100;
  g.guard.Look();
  EXPECT_FALSE(g.guard.doubts());
  g.received[7] = 101;
  g.guard.Look();
  EXPECT_TRUE(g.guard.doubts());
  g.received[7] = 201;
  g.guard.Look();
  EXPECT_TRUE(g.cut.empty());
  g.received[7] = 202;
  g.guard.Look();
  EXPECT_EQ(g.cut, std::vector<int>{7});
  EXPECT_EQ(g.guard.cut_count(), 1U);
}

TEST(InputGuard, SparesAConnectionWhoseMessagesAreRead) {
  Guarded g;
  g.guard.Opened(7);
  for (uint64_t bytes = 101; bytes < 10'000; bytes += 101) {
    g.received[7] = bytes;
    g.guard.Look();
    EXPECT_TRUE(g.guard.doubts());
    g.guard.Spoke(7);
    EXPECT_FALSE(g.guard.doubts());
  }
  EXPECT_TRUE(g.cut.empty());
}

TEST(InputGuard, SparesConnectionsThatStopSendingOrWhoseBytesAreUnknown) {
  Guarded g;
  g.guard.Opened(7);
  g.guard.Opened(8);
  g.received[7] = 1'000;
  for (int look = 0; look < 5; ++look) g.guard.Look();
  EXPECT_TRUE(g.guard.doubts());
  EXPECT_TRUE(g.cut.empty());
  g.guard.Closed(7);
  EXPECT_FALSE(g.guard.doubts());
}

TEST(InputGuard, CountsFromZeroForADescriptorThatIsUsedAgain) {
  Guarded g;
  g.guard.Opened(7);
  g.received[7] = 1'000;
  g.guard.Look();
  g.guard.Opened(7);
  g.received[7] = 90;
  g.guard.Look();
  EXPECT_FALSE(g.guard.doubts());
  g.received[7] = 110;
  g.guard.Look();
  EXPECT_TRUE(g.guard.doubts());
  EXPECT_TRUE(g.cut.empty());
}

TEST(InputGuard, LooksAtAllConnectionsInTurn) {
  Guarded g;
  const int last = 2 * static_cast<int>(InputGuard::kLookMax);
  for (int fd = 0; fd <= last; ++fd) g.guard.Opened(fd);
  g.received[last] = 1'000;
  g.guard.Look();
  g.guard.Look();
  EXPECT_FALSE(g.guard.doubts());
  g.guard.Look();
  EXPECT_TRUE(g.guard.doubts());
}

TEST(BytesReadOf, CountsBytesOfTcpConnectionsOnly) {
  Fd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* name = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(listener.get(), name, size), 0);
  ASSERT_EQ(listen(listener.get(), 1), 0);
  ASSERT_EQ(getsockname(listener.get(), name, &size), 0);
  Fd sender(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(connect(sender.get(), name, size), 0);
  Fd receiver(accept(listener.get(), nullptr, nullptr));
  std::array<char, 1'000> bytes{};
  ASSERT_EQ(send(sender.get(), bytes.data(), bytes.size(), 0), 1'000);
  ASSERT_EQ(recv(receiver.get(), bytes.data(), 600, MSG_WAITALL), 600);
  EXPECT_EQ(BytesReadOf(receiver.get()), 600U);
  std::array<int, 2> pair{};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()), 0);
  const Fd one(pair[0]);
  const Fd other(pair[1]);
  EXPECT_EQ(BytesReadOf(one.get()), 0U);
  EXPECT_EQ(BytesReadOf(-1), 0U);
}

}  // namespace
}  // namespace bellis
