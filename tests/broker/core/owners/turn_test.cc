#include "broker/core/turn.h"

#include <gtest/gtest.h>

#include <string>

namespace bellis::test {
namespace {

constexpr PeerId kPeer{7};

class TurnOwner : public testing::Test {
 protected:
  TurnOwner() { turn_.Begin(Instant{} + Duration::Seconds(1), &effects_); }

  const CoreOptions options_{.lease = Duration::Seconds(8)};
  Turn turn_{options_};
  Effects effects_;
};

TEST_F(TurnOwner, TheNextStepIsDueWithTheFirstTimer) {
  turn_.End();
  EXPECT_EQ(effects_.next_deadline, Instant::Never());
  turn_.Begin(turn_.now(), &effects_);
  turn_.Wake({turn_.now() + Duration::Seconds(5), TimerKind::kTask});
  turn_.Wake({turn_.now() + Duration::Seconds(3), TimerKind::kTask});
  turn_.End();
  EXPECT_EQ(effects_.next_deadline, turn_.now() + Duration::Seconds(3));
}

TEST_F(TurnOwner, WhileLeasesRunTheNextStepIsDueSoon) {
  turn_.NoteLeasesRun();
  turn_.End();
  EXPECT_EQ(effects_.next_deadline, turn_.now() + Duration::Seconds(1)) << "an eighth of a lease";
  turn_.Begin(turn_.now(), &effects_);
  turn_.End();
  EXPECT_EQ(effects_.next_deadline, Instant::Never()) << "each Step says it anew";
}

TEST_F(TurnOwner, WhatTheBrokerStoodStillIsNoTimeForTimers) {
  turn_.Wake({turn_.now() + Duration::Seconds(3), TimerKind::kTask});
  turn_.End();
  EXPECT_EQ(turn_.Begin(Instant{} + Duration::Seconds(60), &effects_), Duration::Seconds(59));
  Timer timer;
  EXPECT_FALSE(turn_.PopDue(&timer));
  turn_.End();
  EXPECT_EQ(effects_.next_deadline, Instant{} + Duration::Seconds(63)) << "as the machine sees it";
}

TEST_F(TurnOwner, AStepBeginsWithoutEffects) {
  const uint64_t step = turn_.step();
  turn_.Send(kPeer, PongMsg{});
  turn_.NoteStarving();
  turn_.NoteMoreWork();
  turn_.End();
  EXPECT_TRUE(effects_.more_work);
  turn_.Begin(turn_.now(), &effects_);
  EXPECT_NE(turn_.step(), step);
  EXPECT_TRUE(effects_.sends.empty());
  EXPECT_FALSE(turn_.starving());
  EXPECT_FALSE(effects_.more_work);
}

TEST_F(TurnOwner, ARefusedRequestIsInfoAndARefusedMessageAWarning) {
  turn_.Refuse(kPeer, ErrorCode::kLimit, "too many", 5);
  turn_.Refuse(kPeer, ErrorCode::kBadMessage, "no such field");
  ASSERT_EQ(effects_.log.size(), 2u);
  EXPECT_EQ(effects_.log[0].level, LogLevel::kInfo);
  EXPECT_EQ(effects_.log[1].level, LogLevel::kWarning);
  ASSERT_EQ(effects_.sends.size(), 2u);
  EXPECT_EQ(std::get<ErrorMsg>(effects_.sends[0].message),
            (ErrorMsg{ErrorCode::kLimit, "too many", 5}));
}

TEST_F(TurnOwner, EveryRefusalIsAnsweredThoughNotEachIsLogged) {
  for (int i = 0; i < 1000; ++i) turn_.Refuse(kPeer, ErrorCode::kBadMessage, "garbage");
  EXPECT_EQ(effects_.sends.size(), 1000u);
  EXPECT_EQ(effects_.log.size(), static_cast<size_t>(RefusalLog::kLinesAtOnce));
}

TEST(RefusalLog, SaysHowManyItLeftOut) {
  RefusalLog log;
  Instant now;
  for (int i = 0; i < RefusalLog::kLinesAtOnce; ++i) {
    EXPECT_EQ(log.Line(now, "x"), "refused a message: x");
  }
  EXPECT_EQ(log.Line(now, "x"), std::nullopt);
  EXPECT_EQ(log.Line(now, "x"), std::nullopt);
  now = now + Duration::Seconds(1 / RefusalLog::kLinesPerSecond);
  EXPECT_EQ(log.Line(now, "y"), "refused a message: y (and 2 others before, not written down)");
  EXPECT_EQ(log.Line(now, "y"), std::nullopt);
  now = now + Duration::Seconds(3600);
  for (int i = 0; i < RefusalLog::kLinesAtOnce; ++i) EXPECT_TRUE(log.Line(now, "z"));
  EXPECT_EQ(log.Line(now, "z"), std::nullopt) << "quiet times do not add up";
}

}  // namespace
}  // namespace bellis::test
