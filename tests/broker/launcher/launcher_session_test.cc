#include "broker/launcher/launcher_session.h"

#include <gtest/gtest.h>

#include <string>

namespace bellis {
namespace {

constexpr Instant kStart{1'000'000'000};
Instant After(int64_t ms) { return kStart + Duration::Millis(ms); }

class Session : public testing::Test {
 protected:
  Session() : session_(Hello(), kStart) {}

  static HelloMsg Hello() {
    HelloMsg hello;
    hello.role = Role::kLauncher;
    hello.pid = 7;
    return hello;
  }

  /// The kinds of the messages that the session sends, such as "hello launched:5 ping:1".
  std::string Sent(Instant now) {
    std::string text;
    for (const Message& message : session_.TakeOutgoing(now)) {
      if (!text.empty()) text += ' ';
      text += KindName(message);
      if (const auto* launched = std::get_if<LaunchedMsg>(&message)) {
        text += ':' + std::to_string(launched->worker.value);
      } else if (const auto* ping = std::get_if<PingMsg>(&message)) {
        text += ':' + std::to_string(ping->nonce);
      }
    }
    return text;
  }

  void Launched(uint64_t worker) { session_.Report(LaunchedMsg{WorkerId(worker), 100}); }
  void Error(ErrorCode code, Instant now) { session_.OnError({code, "no", 0}, now); }

  LauncherSession session_;
};

TEST_F(Session, GreetsOnceAndReportsOnlyWhenWelcome) {
  EXPECT_LE(session_.next_deadline(), kStart);
  EXPECT_EQ(Sent(kStart), "hello");
  Launched(1);
  EXPECT_EQ(Sent(kStart), "");
  session_.OnWelcome();
  EXPECT_EQ(Sent(kStart), "launched:1");
  EXPECT_EQ(Sent(kStart), "");
}

TEST_F(Session, ConfirmsReportsByOnePing) {
  Sent(kStart);
  session_.OnWelcome();
  Launched(1);
  Launched(2);
  EXPECT_EQ(Sent(After(0)), "launched:1 launched:2");
  EXPECT_EQ(session_.next_deadline(), After(250));
  Launched(3);
  EXPECT_EQ(Sent(After(100)), "launched:3");
  EXPECT_EQ(Sent(After(250)), "ping:1");
  Launched(4);
  EXPECT_EQ(Sent(After(260)), "launched:4");
  EXPECT_EQ(session_.unconfirmed(), 4u);
  session_.OnPong({1});
  EXPECT_EQ(session_.unconfirmed(), 1u) << "4 was sent after the ping";
  EXPECT_EQ(Sent(After(510)), "ping:2");
  session_.OnPong({2});
  EXPECT_EQ(session_.unconfirmed(), 0u);
}

TEST_F(Session, RepeatsUnconfirmedReportsToABrokerThatForgotIt) {
  Sent(kStart);
  session_.OnWelcome();
  Launched(1);
  Sent(After(0));
  EXPECT_EQ(Sent(After(250)), "ping:1");
  session_.OnPong({1});
  Launched(2);
  EXPECT_EQ(Sent(After(300)), "launched:2");
  Error(ErrorCode::kHelloFirst, After(310));
  Error(ErrorCode::kHelloFirst, After(311));  // a second message was refused, too
  EXPECT_EQ(Sent(After(311)), "hello");
  Launched(3);
  EXPECT_EQ(Sent(After(320)), "");
  session_.OnWelcome();
  EXPECT_EQ(Sent(After(330)), "launched:1 launched:2 launched:3");
}

TEST_F(Session, RepeatsRunningWorkersInEveryGreeting) {
  Sent(kStart);
  session_.OnWelcome();
  Launched(1);
  Launched(2);
  Sent(After(0));
  EXPECT_EQ(Sent(After(250)), "ping:1");
  session_.OnPong({1});
  session_.Report(ExitedMsg{WorkerId(2), 0, 0, "", ""});
  EXPECT_EQ(session_.unconfirmed(), 1u);
  EXPECT_TRUE(session_.ExitIsPending(WorkerId(2)));
  EXPECT_FALSE(session_.ExitIsPending(WorkerId(1)));
  Error(ErrorCode::kHelloFirst, After(300));
  EXPECT_EQ(Sent(After(300)), "hello");
  session_.OnWelcome();
  EXPECT_EQ(Sent(After(310)), "launched:1 exited");
  EXPECT_EQ(Sent(After(560)), "ping:2");
  session_.OnPong({2});
  EXPECT_FALSE(session_.ExitIsPending(WorkerId(2)));
  Error(ErrorCode::kHelloFirst, After(600));
  EXPECT_EQ(Sent(After(600)), "hello");
  session_.OnWelcome();
  EXPECT_EQ(Sent(After(610)), "launched:1");
}

TEST_F(Session, NoticesARestartedBrokerWhileIdle) {
  Sent(kStart);
  session_.OnWelcome();
  EXPECT_EQ(session_.next_deadline(), After(5'000));
  EXPECT_EQ(Sent(After(4'999)), "");
  EXPECT_EQ(Sent(After(5'000)), "ping:1");
  Error(ErrorCode::kHelloFirst, After(5'001));
  EXPECT_EQ(Sent(After(5'001)), "hello");
}

TEST_F(Session, GreetsAgainWhenTheGreetingWasLost) {
  Sent(kStart);
  EXPECT_EQ(Sent(After(5'000)), "ping:1");
  Error(ErrorCode::kHelloFirst, After(5'001));
  EXPECT_EQ(Sent(After(5'001)), "hello");
}

TEST_F(Session, PingsMoreRarelyWhileNobodyAnswers) {
  Sent(kStart);
  session_.OnWelcome();
  int pings = 0;
  for (int64_t ms = 0; ms < 3'600'000; ms += 1000) pings += Sent(After(ms)).starts_with("ping");
  EXPECT_GE(pings, 55);
  EXPECT_LE(pings, 65);
  session_.OnPong({1});
  Sent(After(3'660'000));
  EXPECT_EQ(session_.next_deadline(), After(3'665'000));
}

TEST_F(Session, EndsWhenTheGreetingIsRefused) {
  Sent(kStart);
  Launched(1);
  Error(ErrorCode::kUnauthorized, kStart);
  EXPECT_EQ(session_.state(), LauncherSession::State::kRefused);
  EXPECT_EQ(Sent(After(10'000)), "");
  EXPECT_EQ(session_.next_deadline(), Instant::Never());
}

TEST_F(Session, OutlivesTheRefusalOfAnythingElse) {
  Sent(kStart);
  session_.OnWelcome();
  Launched(1);
  Sent(kStart);
  Error(ErrorCode::kUnknownWorker, kStart);
  EXPECT_EQ(session_.state(), LauncherSession::State::kKnown);
}

TEST_F(Session, IgnoresUnexpectedAnswers) {
  session_.OnPong({99});
  Sent(kStart);
  session_.OnPong({99});
  session_.OnWelcome();
  session_.OnWelcome();
  Launched(1);
  session_.OnPong({99});
  EXPECT_EQ(session_.unconfirmed(), 1u) << "not even sent";
  EXPECT_EQ(Sent(kStart), "launched:1");
}

}  // namespace
}  // namespace bellis
