#include "broker/core/broker_clock.h"

#include <gtest/gtest.h>

namespace bellis::test {
namespace {

constexpr Duration kLease = Duration::Seconds(8);  // with this lease, a Step may be late by 1 s
Instant At(double s) { return Instant{} + Duration::Seconds(s); }

TEST(BrokerClock, GoesWithTheMachineWhileStepsAreInTime) {
  BrokerClock clock(kLease, 0);
  EXPECT_EQ(clock.Begin(At(1)), Duration{});
  clock.ExpectBy(At(2));
  EXPECT_EQ(clock.Begin(At(2.9)), Duration{}) << "late, but not by much";
  EXPECT_EQ(clock.now(), At(2.9));
}

TEST(BrokerClock, WhatTheBrokerStoodStillDoesNotCount) {
  BrokerClock clock(kLease, 0);
  clock.Begin(At(1));
  clock.ExpectBy(At(2));
  EXPECT_EQ(clock.Begin(At(10)), Duration::Seconds(9));
  EXPECT_EQ(clock.now(), At(1)) << "goes on from the Step before";
  EXPECT_EQ(clock.ToMachine(At(2)), At(11));
  EXPECT_EQ(clock.FromMachine(At(11)), At(2));
  EXPECT_EQ(clock.ToMachine(Instant::Never()), Instant::Never());
}

TEST(BrokerClock, GoesOnThoughEveryStepIsLate) {
  BrokerClock clock(kLease, 0);
  clock.Begin(At(100));
  for (int i = 1; i <= 5; ++i) {
    clock.ExpectBy(clock.now() + Duration::Seconds(0.5));
    clock.Begin(At(100 + 10 * i));
  }
  EXPECT_EQ(clock.now(), At(102));
}

TEST(BrokerClock, WithoutADeadlineNoStepIsLate) {
  BrokerClock clock(kLease, 0);
  clock.Begin(At(1));
  clock.ExpectBy(Instant::Never());
  EXPECT_EQ(clock.Begin(At(1000)), Duration{});
}

TEST(BrokerClock, TellsTheTimeOfDayByTheMachine) {
  BrokerClock clock(kLease, 1'700'000'000'000);
  clock.Begin(At(1));
  clock.ExpectBy(At(2));
  clock.Begin(At(10));
  EXPECT_EQ(clock.UnixSeconds(clock.now()), 1'700'000'010u);
  EXPECT_EQ(clock.FromUnixSeconds(1'700'000'010u), clock.now());
}

TEST(BrokerClockDeathTest, TimeDoesNotGoBack) {
  BrokerClock clock(kLease, 0);
  clock.Begin(At(2));
  EXPECT_DEATH(clock.Begin(At(1)), "time went back");
}

}  // namespace
}  // namespace bellis::test
