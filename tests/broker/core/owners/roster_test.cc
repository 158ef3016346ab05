#include "broker/core/roster.h"

#include <gtest/gtest.h>

#include <utility>

#include "tests/broker/core/owners_fixture.h"

namespace bellis::test {
namespace {

class RosterOwner : public OwnersFixture {
 protected:
  Worker& Launch() { return OwnersFixture::Launch(job_); }
  Worker& External() { return OwnersFixture::External(job_); }
  const Pool& pool() { return job_.tasks[0].pool(Duty::kWork); }

  Job& job_ = Begin(TaskOf(8));
};

TEST_F(RosterOwner, ALaunchedWorkerIsExpectedUntilItsHello) {
  Worker& worker = Launch();
  EXPECT_EQ(worker.presence, Presence::kExpected);
  EXPECT_EQ(pool().starting, 1u);
  EXPECT_EQ(pool().groups[0].active, 1u);
  roster_.CheckInvariants(peers_);
  Connect(worker, kPeer);
  EXPECT_EQ(pool().starting, 0u);
  EXPECT_EQ(pool().live, 1u);
}

TEST_F(RosterOwner, WhoIsToldToLeaveBeforeItsHelloIsExpectedNoMore) {
  Worker& worker = Launch();
  roster_.StopGiving(worker);
  EXPECT_EQ(worker.presence, Presence::kVacant);
  EXPECT_EQ(pool().starting, 0u);
  Connect(worker, kPeer);
  EXPECT_EQ(pool().live, 0u) << "it gets no blocks";
}

TEST_F(RosterOwner, AWorkerThatIsAwayComesBack) {
  Worker& worker = External();
  Connect(worker, kPeer);
  worker.want = 2;
  roster_.Park(worker);
  EXPECT_EQ(pool().asked, 1u);
  EXPECT_EQ(pool().engaged, 1u);
  Disconnect(worker);
  EXPECT_EQ(worker.presence, Presence::kAway);
  EXPECT_EQ(pool().asked + pool().engaged + pool().live, 0u);
  EXPECT_EQ(worker.want, 0u) << "what it asked for is forgotten";
  Connect(worker, kOther);
  EXPECT_EQ(pool().live, 1u);
}

TEST_F(RosterOwner, AFurtherConnectionCountsNoFurther) {
  Worker& place = Launch();
  Connect(place, kPeer);
  Worker& further = roster_.AddFurther(durable_.NextWorker(), place);
  Connect(further, kOther);
  EXPECT_EQ(further.slot, place.slot);
  EXPECT_EQ(&roster_.PlaceOf(further), &place);
  EXPECT_EQ(&std::as_const(roster_).PlaceOf(further), &place);
  for (Worker* worker : {&place, &further}) {
    worker->want = 1;
    roster_.Park(*worker);
  }
  EXPECT_EQ(pool().asked, 1u);
  EXPECT_EQ(pool().engaged, 1u);
  EXPECT_EQ(pool().slots.taken(), 1u);
  EXPECT_EQ(pool().live, 2u) << "each may be given blocks";
}

TEST_F(RosterOwner, AFurtherConnectionOfALostPlaceCountsByItself) {
  Worker& place = Launch();
  Connect(place, kPeer);
  Worker& further = roster_.AddFurther(durable_.NextWorker(), place);
  Connect(further, kOther);
  place.further.clear();
  roster_.BecomeExternal(further);
  Disconnect(place);
  roster_.Erase(place);
  EXPECT_EQ(pool().slots.taken(), 1u);
  EXPECT_GE(further.slot, 3u) << "none of those of launched workers";
  EXPECT_EQ(pool().groups[0].active, 0u);
}

TEST_F(RosterOwner, AVacantPlaceHasAWhileToComeBack) {
  Worker& worker = Launch();
  Connect(worker, kPeer);
  Disconnect(worker);
  roster_.Vacate(worker);
  EXPECT_EQ(worker.presence, Presence::kVacant);
  turn_.End();
  EXPECT_EQ(effects_.next_deadline, turn_.now() + options_.hello_wait);
}

TEST_F(RosterOwner, ATaskWaitsForTheReportsOfAllItsWorkers) {
  Session session;
  session.job = job_.number;
  session.worker = durable_.NextWorker();
  Worker& a = roster_.AddRecovered(session, job_, LauncherId());
  session.worker = durable_.NextWorker();
  Worker& b = roster_.AddRecovered(session, job_, launcher_);
  EXPECT_EQ(job_.tasks[0].recovering, 2u);
  EXPECT_FALSE(roster_.EndRecovering(a));
  EXPECT_FALSE(roster_.EndRecovering(a)) << "it has reported";
  EXPECT_TRUE(roster_.EndRecovering(b));
}

TEST_F(RosterOwner, RequestsAreServedInTheirOrderOneBlockEach) {
  Worker& a = External();
  Worker& b = External();
  Connect(a, kPeer);
  Connect(b, kOther);
  a.want = 2;
  roster_.Park(a);
  b.want = 1;
  roster_.Park(b);
  Pool& pool = Roster::PoolOf(a);
  EXPECT_EQ(roster_.FirstParked(pool), &a);
  roster_.ServeFirst(pool, a);
  EXPECT_EQ(roster_.FirstParked(pool), &b);
  roster_.ServeFirst(pool, b);
  EXPECT_EQ(roster_.FirstParked(pool), &a);
  roster_.ServeFirst(pool, a);
  EXPECT_EQ(roster_.FirstParked(pool), nullptr);
}

TEST_F(RosterOwner, WhoWasCutOffByTheBrokerIsNotAtFault) {
  Worker& worker = External();
  worker.heartbeat_ms = 1000;
  roster_.ExcuseAll();
  EXPECT_EQ(roster_.FaultOf(worker), Fault::kNotItsOwn);
  worker.heard = turn_.now() + options_.lease;
  EXPECT_EQ(roster_.FaultOf(worker), Fault::kItsOwn) << "it was heard of since";
  worker.orphaned = true;
  EXPECT_EQ(roster_.FaultOf(worker), Fault::kNotItsOwn);
}

TEST_F(RosterOwner, AWorkerHasOneConnection) {
  Worker& worker = External();
  Connect(worker, kPeer);
  EXPECT_DEATH(roster_.Connect(worker, kOther), "one connection");
}

TEST_F(RosterOwner, AConnectedWorkerIsNotErased) {
  Worker& worker = External();
  Connect(worker, kPeer);
  EXPECT_DEATH(roster_.Erase(worker), "a connected worker is not erased");
}

}  // namespace
}  // namespace bellis::test
