#include "broker/net/closed_peers.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace bellis {
namespace {

Instant At(int64_t ms) { return Instant{} + Duration::Millis(ms); }

TEST(ClosedPeers, AreCheckedFiveTimesWithGrowingPauses) {
  ClosedPeers closed;
  EXPECT_EQ(closed.next_deadline(), Instant::Never());
  closed.Add("a", At(100));
  std::vector<int64_t> looks;
  while (closed.next_deadline() != Instant::Never()) {
    const Instant now = closed.next_deadline();
    closed.Look(now, [&](const std::string& id) {
      EXPECT_EQ(id, "a");
      looks.push_back((now - At(100)).ns / 1'000'000);
      return true;
    });
  }
  EXPECT_EQ(looks, (std::vector<int64_t>{0, 2, 22, 222, 2222}));
}

TEST(ClosedPeers, AreForgottenWhenTheyAreGone) {
  ClosedPeers closed;
  closed.Add("a", At(0));
  closed.Add("b", At(1));
  std::vector<std::string> seen;
  const auto look = [&](const std::string& id) {
    seen.push_back(id);
    return id != "a";
  };
  closed.Look(At(0), look);
  EXPECT_EQ(closed.next_deadline(), At(1));  // only b is left, and it is not due
  closed.Look(At(1), look);
  closed.Look(At(3), look);
  EXPECT_EQ(seen, (std::vector<std::string>{"a", "b", "b"}));
}

}  // namespace
}  // namespace bellis
