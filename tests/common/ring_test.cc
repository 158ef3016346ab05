// A Ring behaves as a std::deque does, and keeps its memory while it is used.

#include "common/ring.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <random>

namespace bellis {
namespace {

using Numbers = std::deque<int>;

Numbers Contents(const Ring<std::shared_ptr<int>>& ring) {
  Numbers numbers;
  for (const auto& number : ring) numbers.push_back(*number);
  return numbers;
}

TEST(Ring, DoesWhatADequeDoes) {
  std::mt19937 random(7);
  for (const unsigned longest : {3U, 20U, 5'000U}) {
    Ring<std::shared_ptr<int>> ring;
    Numbers expected;
    for (int step = 0; step < 20'000; ++step) {
      const unsigned what = random() % 8;
      if (expected.empty() || (what < 4 && expected.size() < longest)) {
        if (what == 0) {
          ring.push_front(std::make_shared<int>(step));
          expected.push_front(step);
        } else {
          ring.push_back(std::make_shared<int>(step));
          expected.push_back(step);
        }
      } else if (what == 7) {
        const auto at = static_cast<std::ptrdiff_t>(random() % expected.size());
        ring.erase(ring.begin() + at);
        expected.erase(expected.begin() + at);
      } else if (what == 6 && step % 50 == 0) {
        ring.remove_if([](const auto& number) { return *number % 2 != 0; });
        std::erase_if(expected, [](int number) { return number % 2 != 0; });
      } else if (what == 6) {
        ring.pop_back();
        expected.pop_back();
      } else {
        ring.pop_front();
        expected.pop_front();
      }
      ASSERT_EQ(ring.size(), expected.size());
      if (expected.empty()) continue;
      ASSERT_EQ(*ring.front(), expected.front());
      ASSERT_EQ(*ring.back(), expected.back());
      if (step % 100 == 0) ASSERT_EQ(Contents(ring), expected);
    }
    ring.clear();
    EXPECT_TRUE(ring.empty());
  }
}

TEST(Ring, GivesMemoryBackOnceItIsNoLongerLong) {
  Ring<int> ring;
  for (int i = 0; i < 100'000; ++i) ring.push_back(i);
  const size_t most = ring.slots();
  for (int i = 0; i < 100'000; ++i) ring.pop_front();
  for (int i = 0; i < 3'000'000; ++i) {
    ring.push_back(i);
    ring.pop_front();
  }
  EXPECT_GE(most, 100'000U);
  EXPECT_LE(ring.slots(), 1024U);
}

TEST(Ring, WhatIsTakenOutIsReleasedAtOnce) {
  Ring<std::shared_ptr<int>> ring;
  const auto number = std::make_shared<int>(1);
  ring.push_back(number);
  ring.push_back(number);
  ring.push_back(number);
  EXPECT_EQ(number.use_count(), 4);
  ring.pop_front();
  EXPECT_EQ(number.use_count(), 3);
  ring.erase(ring.begin() + 1);
  EXPECT_EQ(number.use_count(), 2);
  ring.clear();
  EXPECT_EQ(number.use_count(), 1);
}

}  // namespace
}  // namespace bellis
