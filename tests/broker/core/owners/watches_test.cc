#include "broker/core/watches.h"

#include <gtest/gtest.h>

namespace bellis::test {
namespace {

constexpr PeerId kAnna{1};
constexpr PeerId kBen{2};
constexpr JobNumber kJob{1};
constexpr JobNumber kOther{2};

Watch Of(PeerId peer, JobNumber job, uint64_t req) {
  return {0, peer, req, job, Duration::Millis(200), 0};
}

TEST(Watches, EndWithTheirJobInOrder) {
  Watches watches;
  watches.Begin(Of(kBen, kJob, 1));
  const uint64_t stays = watches.Begin(Of(kBen, kOther, 2))->id;
  watches.Begin(Of(kAnna, kJob, 3));
  const std::vector<Watch> ended = watches.EndOfJob(kJob);
  ASSERT_EQ(ended.size(), 2u);
  EXPECT_EQ(ended[0].req, 1u);
  EXPECT_EQ(ended[1].req, 3u);
  EXPECT_EQ(watches.CountOf(kAnna), 0u);
  EXPECT_EQ(watches.CountOf(kBen), 1u);
  EXPECT_NE(watches.Find(stays), nullptr);
  EXPECT_TRUE(watches.EndOfJob(kJob).empty());
}

TEST(Watches, EndWithTheirPeer) {
  Watches watches;
  const uint64_t gone = watches.Begin(Of(kAnna, kJob, 1))->id;
  watches.Begin(Of(kBen, kJob, 2));
  watches.EndOfPeer(kAnna);
  EXPECT_EQ(watches.Find(gone), nullptr);
  ASSERT_EQ(watches.size(), 1u);
  EXPECT_EQ(watches.EndOfJob(kJob).front().peer, kBen);
}

TEST(Watches, AnIdIsNotGivenAgain) {
  Watches watches;
  const uint64_t first = watches.Begin(Of(kAnna, kJob, 1))->id;
  watches.EndOfPeer(kAnna);
  EXPECT_GT(watches.Begin(Of(kAnna, kJob, 1))->id, first);
}

}  // namespace
}  // namespace bellis::test
