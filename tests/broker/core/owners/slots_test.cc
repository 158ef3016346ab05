#include "broker/core/slots.h"

#include <gtest/gtest.h>

namespace bellis::test {
namespace {

TEST(Slots, TheLowestFreeOneIsTaken) {
  Slots slots;
  EXPECT_EQ(slots.Take(), 0u);
  EXPECT_EQ(slots.Take(), 1u);
  EXPECT_EQ(slots.Take(), 2u);
  slots.GiveBack(1);
  slots.GiveBack(0);
  EXPECT_EQ(slots.taken(), 1u);
  EXPECT_EQ(slots.Take(), 0u);
  EXPECT_EQ(slots.Take(), 1u);
  EXPECT_EQ(slots.Take(), 3u);
}

TEST(Slots, ThoseBelowABoundStayFree) {
  Slots slots;
  EXPECT_EQ(slots.Take(3), 3u);
  EXPECT_EQ(slots.taken(), 1u);
  EXPECT_EQ(slots.Take(3), 4u);
  EXPECT_EQ(slots.Take(), 0u);
}

TEST(Slots, AWorkerHasItsFormerOneAgainUnlessItIsTaken) {
  Slots slots;
  EXPECT_EQ(slots.TakeAgain(5), 5u);
  EXPECT_EQ(slots.TakeAgain(5), 0u);
  EXPECT_EQ(slots.taken(), 2u);
}

TEST(Slots, AFormerOneThatNoTaskCanHaveIsNotTaken) {
  Slots slots;
  EXPECT_EQ(slots.TakeAgain(UINT32_MAX), 0u) << "memory is linear in the highest slot";
  EXPECT_EQ(slots.taken(), 1u);
}

}  // namespace
}  // namespace bellis::test
