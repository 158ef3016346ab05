#include "broker/core/durable.h"

#include <gtest/gtest.h>

namespace bellis::test {
namespace {

class DurableOwner : public testing::Test {
 protected:
  DurableOwner() { turn_.Begin(Instant{}, &effects_); }

  static CoreOptions Keeping() {
    CoreOptions options;
    options.durable = true;
    options.leases_aside = 10;
    options.workers_aside = 4;
    return options;
  }
  void PersistOne() { durable_.Persist(SessionOver{WorkerId(1)}); }
  void AwaitAttempt(uint64_t lease) {
    durable_.Await(AttemptIsDurable{WorkerId(1), 0, LeaseId(lease)});
  }
  /// Takes the attempts that are due; returns their leases.
  std::vector<uint64_t> TakeDue() {
    std::vector<uint64_t> leases;
    while (const auto next = durable_.Next()) {
      if (const auto* attempt = std::get_if<AttemptIsDurable>(&*next)) {
        leases.push_back(attempt->lease.value);
      } else if (const auto* marks = std::get_if<MarksAreDurable>(&*next)) {
        durable_.Take(*marks);
      }
    }
    durable_.CheckInvariants();
    return leases;
  }

  const CoreOptions options_ = Keeping();
  Turn turn_{options_};
  Effects effects_;
  Durable durable_{options_, &turn_};
};

TEST_F(DurableOwner, WhatWaitsComesBackWhenTheRecordsBeforeItAreDurable) {
  PersistOne();
  AwaitAttempt(1);
  PersistOne();
  AwaitAttempt(2);
  EXPECT_TRUE(TakeDue().empty());
  durable_.Commit({1});
  EXPECT_EQ(TakeDue(), (std::vector<uint64_t>{1}));
  EXPECT_FALSE(durable_.AllCommitted());
  durable_.Commit({2});
  EXPECT_EQ(TakeDue(), (std::vector<uint64_t>{2}));
  EXPECT_TRUE(durable_.AllCommitted());
  EXPECT_EQ(effects_.records.size(), 2u);
}

TEST_F(DurableOwner, AHelloOfAPeerThatIsGoneIsNotHeard) {
  PersistOne();
  durable_.HearLater(PeerId(1), {});
  durable_.HearLater(PeerId(2), {});
  durable_.ForgetHello(PeerId(1));
  durable_.Commit({1});
  const auto next = durable_.Next();
  ASSERT_TRUE(next);
  EXPECT_EQ(std::get<HelloIsDurable>(*next).from, PeerId(2));
  EXPECT_FALSE(durable_.Next());
}

TEST_F(DurableOwner, OnlyWhoHasNothingElseToDoHurriesTheDisk) {
  PersistOne();
  AwaitAttempt(1);
  EXPECT_FALSE(durable_.CommitNow());
  turn_.NoteStarving();
  EXPECT_TRUE(durable_.CommitNow());
  turn_.Begin(Instant{}, &effects_);
  durable_.Await(SessionIsDurable{WorkerId(1)});
  EXPECT_TRUE(durable_.CommitNow());
}

TEST_F(DurableOwner, GivesNoIdThatIsNotSetAside) {
  EXPECT_FALSE(durable_.HasLeaseIds());
  EXPECT_NE(durable_.NothingIsLeasedBecause(), "");
  durable_.SetIdsAside();
  EXPECT_FALSE(durable_.HasLeaseIds()) << "the mark is not durable yet";
  durable_.Commit({1});
  TakeDue();
  EXPECT_EQ(durable_.NothingIsLeasedBecause(), "");
  uint64_t given = 0;
  while (durable_.HasLeaseIds()) given = durable_.NextLease().value;
  EXPECT_LT(given, 10u);
  EXPECT_EQ(effects_.records.size(), 1u);
  durable_.SetIdsAside();
  EXPECT_EQ(effects_.records.size(), 2u) << "before they run out";
}

TEST_F(DurableOwner, IdsGoOnAfterThoseOfTheBrokerBefore) {
  durable_.TakeOver({101, 11});
  EXPECT_EQ(durable_.NextLease(), LeaseId(101));
  EXPECT_EQ(durable_.NextWorker(), WorkerId(11));
}

TEST_F(DurableOwner, PromisesAreKeptWhenTheyAreDurable) {
  EXPECT_TRUE(durable_.PromisesKept());
  PersistOne();
  durable_.PromiseAll();
  EXPECT_FALSE(durable_.PromisesKept());
  durable_.Commit({1});
  EXPECT_TRUE(durable_.PromisesKept());
}

TEST_F(DurableOwner, TroubleIsToldOnceAndItsEndGoesOn) {
  EXPECT_FALSE(durable_.TakeTrouble({"disk full"}));
  EXPECT_FALSE(durable_.TakeTrouble({"disk full"}));
  EXPECT_EQ(effects_.log.size(), 1u);
  EXPECT_EQ(durable_.NothingIsLeasedBecause(), "the state directory: disk full");
  EXPECT_TRUE(durable_.TakeTrouble({""}));
  EXPECT_FALSE(durable_.TakeTrouble({""}));
  EXPECT_EQ(effects_.log.size(), 2u);
}

TEST_F(DurableOwner, ABrokerThatKeepsNothingWaitsForNothing) {
  Durable durable({}, &turn_);
  durable.Persist(SessionOver{WorkerId(1)});
  EXPECT_TRUE(durable.AllCommitted());
  EXPECT_TRUE(durable.HasLeaseIds());
  EXPECT_TRUE(durable.HasWorkerIds());
  EXPECT_TRUE(effects_.records.empty());
}

}  // namespace
}  // namespace bellis::test
