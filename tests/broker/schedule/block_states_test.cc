#include "broker/schedule/block_states.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace bellis {
namespace {

/// Searches in pieces of one unit of work.
std::optional<BlockIndex> LastUnfinished(const BlockStates& states, BlockIndex lo, BlockIndex hi) {
  while (true) {
    int64_t budget = 1;
    const auto [found, open_hi] = states.LastUnfinished(lo, hi, &budget);
    if (found || open_hi <= lo) return found;
    hi = open_hi;
  }
}

TEST(BlockStates, RemembersTwoBitsForEachBlock) {
  BlockStates states(10'000);
  EXPECT_EQ(states.Get(9'999), BlockState::kWaiting);
  states.Set(9'999, BlockState::kIssued);
  states.Set(5'000, BlockState::kDead);
  states.Set(5'001, BlockState::kCompleted);
  EXPECT_EQ(states.Get(9'999), BlockState::kIssued);
  EXPECT_EQ(states.Get(5'000), BlockState::kDead);
  EXPECT_EQ(states.Get(5'001), BlockState::kCompleted);
  EXPECT_EQ(states.Get(5'002), BlockState::kWaiting);
}

TEST(BlockStates, CompletedRunsCostNextToNothing) {
  constexpr uint64_t kBlocks = 20'000'000;
  BlockStates states(kBlocks);
  size_t most = 0;
  for (uint64_t i = 0; i < kBlocks; ++i) {
    states.Set(i, BlockState::kCompleted);
    most = std::max(most, states.bytes());
  }
  EXPECT_LT(most, 100'000u) << "memory while running through in order";
  EXPECT_LT(states.bytes(), 80'000u) << "spare pages and the directory are all that is left";
  EXPECT_EQ(states.Get(kBlocks - 1), BlockState::kCompleted);
  EXPECT_EQ(LastUnfinished(states, 0, kBlocks), std::nullopt);
}

TEST(BlockStates, MemoryFollowsTheFrontierWhateverTheGrid) {
  constexpr uint64_t kBlocks = uint64_t{1} << 62;
  BlockStates states(kBlocks);
  EXPECT_EQ(states.bytes(), 0u);
  EXPECT_EQ(LastUnfinished(states, 0, kBlocks), kBlocks - 1);
  states.Set(kBlocks - 1, BlockState::kDead);
  states.Set(kBlocks / 2, BlockState::kIssued);
  EXPECT_LT(states.bytes(), 100'000u);
  EXPECT_EQ(states.Get(kBlocks - 1), BlockState::kDead);
  EXPECT_EQ(states.Get(kBlocks / 2), BlockState::kIssued);
  EXPECT_EQ(states.Get(kBlocks / 3), BlockState::kWaiting);
  ASSERT_TRUE(states.SetRun({0, kBlocks / 2}, BlockState::kCompleted));
  ASSERT_TRUE(states.SetRun({kBlocks / 2 + 1, kBlocks - 1}, BlockState::kCompleted));
  EXPECT_LT(states.bytes(), 100'000u) << "runs of any length fold on every level";
  const std::vector<BlockRun> runs = {{0, kBlocks / 2}, {kBlocks / 2 + 1, kBlocks - 1}};
  EXPECT_EQ(states.CompletedRuns(), runs);
  EXPECT_EQ(LastUnfinished(states, 0, kBlocks - 1), kBlocks / 2);
  states.Set(kBlocks / 2, BlockState::kCompleted);
  EXPECT_EQ(LastUnfinished(states, 0, kBlocks - 1), std::nullopt);
  EXPECT_EQ(LastUnfinished(states, 0, kBlocks), kBlocks - 1);
  EXPECT_FALSE(states.SetRun({5, 6}, BlockState::kCompleted)) << "it is completed already";
}

TEST(BlockStates, FindsTheLastUnfinishedAsASlowSearchDoes) {
  std::mt19937_64 random(7);
  for (const uint64_t blocks : {1ull, 31ull, 32ull, 33ull, 4096ull, 4097ull, 20'000ull}) {
    BlockStates states(blocks);
    std::vector<bool> done(blocks, false);
    for (int round = 0; round < 400; ++round) {
      uint64_t lo = random() % (blocks + 1);
      uint64_t hi = random() % (blocks + 1);
      if (lo > hi) std::swap(lo, hi);
      std::optional<BlockIndex> expected;
      for (uint64_t i = lo; i < hi; ++i) {
        if (!done[i]) expected = i;
      }
      ASSERT_EQ(LastUnfinished(states, lo, hi), expected);
      // Complete runs, so that words, pages and whole grids fill up.
      uint64_t run = random() % 600;
      for (uint64_t i = random() % blocks; i < blocks && run-- > 0; ++i) {
        if (done[i]) continue;
        states.Set(i, BlockState::kCompleted);
        done[i] = true;
      }
    }
  }
}

TEST(BlockStatesDeathTest, ACompletedBlockStaysCompleted) {
  BlockStates states(10);
  states.Set(3, BlockState::kCompleted);
  EXPECT_DEATH(states.Set(3, BlockState::kIssued), "completed block changes");
}

}  // namespace
}  // namespace bellis
