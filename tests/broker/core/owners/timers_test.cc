#include "broker/core/timers.h"

#include <gtest/gtest.h>

namespace bellis::test {
namespace {

Instant At(double s) { return Instant{} + Duration::Seconds(s); }

std::vector<uint64_t> SubjectsDue(Timers& timers, Instant now) {
  std::vector<uint64_t> subjects;
  for (Timer timer; timers.PopDue(now, &timer);) subjects.push_back(timer.subject);
  return subjects;
}

TEST(Timers, FireByTimeAndThenInTheOrderInWhichTheyWereSet) {
  Timers timers;
  EXPECT_EQ(timers.next(), Instant::Never());
  timers.Add({At(3), TimerKind::kTask, 1});
  timers.Add({At(2), TimerKind::kTask, 2});
  timers.Add({At(2), TimerKind::kLease, 3});
  timers.Add({At(1), TimerKind::kTask, 4});
  timers.Add({At(2), TimerKind::kTask, 5});
  EXPECT_EQ(timers.next(), At(1));
  EXPECT_EQ(SubjectsDue(timers, At(2)), (std::vector<uint64_t>{4, 2, 3, 5}));
  EXPECT_EQ(timers.next(), At(3));
  EXPECT_TRUE(SubjectsDue(timers, At(2.9)).empty());
  EXPECT_EQ(SubjectsDue(timers, At(100)), (std::vector<uint64_t>{1}));
  EXPECT_EQ(timers.next(), Instant::Never());
}

}  // namespace
}  // namespace bellis::test
