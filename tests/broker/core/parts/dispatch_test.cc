#include "broker/core/dispatch.h"

#include <gtest/gtest.h>

#include "tests/broker/core/owners_fixture.h"

namespace bellis::test {
namespace {

class DispatchPart : public OwnersFixture {
 protected:
  /// A worker that may have blocks.
  Worker& Ready(Job& job, PeerId peer, Duty duty = Duty::kWork) {
    Worker& worker = External(job, duty);
    Connect(worker, peer);
    roster_.SetDurable(worker);
    return worker;
  }
  /// The blocks that this Step has handed to the peer, with brackets around those of each message.
  std::vector<std::vector<BlockIndex>> BlocksTo(PeerId peer) {
    std::vector<std::vector<BlockIndex>> messages;
    for (const WorkMsg& work : SentTo<WorkMsg>(peer)) {
      messages.emplace_back();
      for (const LeasedBlock& block : work.blocks) messages.back().push_back(block.index);
    }
    return messages;
  }
  using Blocks = std::vector<std::vector<BlockIndex>>;

  Dispatcher dispatcher_{All()};
};

TEST_F(DispatchPart, RequestsTakeTurnsAndAWorkerGetsAllItsBlocksInOneMessage) {
  Job& job = Begin(TaskOf(3));
  dispatcher_.AddWant(Ready(job, kPeer), 2);
  dispatcher_.AddWant(Ready(job, kOther), 2);
  dispatcher_.HandOut(job, 0);
  EXPECT_EQ(BlocksTo(kPeer), (Blocks{{0, 2}}));
  EXPECT_EQ(BlocksTo(kOther), (Blocks{{1}}));
  EXPECT_TRUE(turn_.starving()) << "one waits on";
  EXPECT_EQ(job.counts(0).leased, 3u);
}

TEST_F(DispatchPart, AWorkerThatMayNotHaveBlocksYetIsNotInTheQueue) {
  Job& job = Begin(TaskOf(3));
  Worker& worker = External(job);
  Connect(worker, kPeer);
  dispatcher_.AddWant(worker, 1);
  EXPECT_EQ(worker.want, 1u);
  EXPECT_FALSE(worker.parked);
}

TEST_F(DispatchPart, NoWorkerMayAskForMoreBlocksThanAMessageHolds) {
  Worker& worker = Ready(Begin(TaskOf(3)), kPeer);
  dispatcher_.AddWant(worker, kWantMax - 1);
  dispatcher_.AddWant(worker, 2);
  EXPECT_EQ(worker.want, kWantMax - 1);
  EXPECT_EQ(SentTo<ErrorMsg>(kPeer).size(), 1u);
}

TEST_F(DispatchPart, ATaskBeginsWhenEnoughWorkersHaveAsked) {
  TaskSpec spec = TaskOf(8);
  spec.min_workers = 2;
  Job& job = Begin(spec);
  dispatcher_.AddWant(Ready(job, kPeer), 1);
  Worker& second = Ready(job, kOther);
  dispatcher_.HandOut(job, 0);
  EXPECT_EQ(job.counts(0).leased, 0u) << "the second has not asked";
  dispatcher_.AddWant(second, 1);
  dispatcher_.HandOut(job, 0);
  EXPECT_EQ(job.counts(0).leased, 2u);
}

TEST_F(DispatchPart, ATaskBeginsWithFewerWhenItHasWaitedLongEnough) {
  TaskSpec spec = TaskOf(8);
  spec.min_workers = 2;
  Job& job = Begin(spec);
  dispatcher_.AddWant(Ready(job, kPeer), 1);
  dispatcher_.HandOut(job, 0);
  EXPECT_EQ(job.counts(0).leased, 0u);
  Pass(options_.min_workers_wait);
  dispatcher_.HandOut(job, 0);
  EXPECT_EQ(job.counts(0).leased, 1u);
}

TEST_F(DispatchPart, ARetryIsKeptForAnotherWorkerForAWhile) {
  Job& job = Begin(TaskOf(1));
  Worker& failed = Ready(job, kPeer);
  Ready(job, kOther);
  job.tasks[0].attempts[0] = {
      .failed = 1, .workers = {failed.id}, .open_at = turn_.now() + Duration::Seconds(30)};
  dispatcher_.AddWant(failed, 1);
  dispatcher_.HandOut(job, 0);
  EXPECT_EQ(BlocksTo(kPeer), Blocks{});
  Pass(Duration::Seconds(30));
  dispatcher_.HandOut(job, 0);
  EXPECT_EQ(BlocksTo(kPeer), (Blocks{{0}}));
  EXPECT_EQ(failed.held.front().attempt, 2u);
}

TEST_F(DispatchPart, ARetryIsNotKeptWhereThereIsNoOtherWorker) {
  Job& job = Begin(TaskOf(1));
  Worker& failed = Ready(job, kPeer);
  job.tasks[0].attempts[0] = {
      .failed = 1, .workers = {failed.id}, .open_at = turn_.now() + Duration::Seconds(30)};
  dispatcher_.AddWant(failed, 1);
  dispatcher_.HandOut(job, 0);
  EXPECT_EQ(BlocksTo(kPeer), (Blocks{{0}}));
}

TEST_F(DispatchPart, ABlockThatIsSetApartIsHandedOutAlone) {
  Job& job = Begin(TaskOf(4));
  job.tasks[0].apart_for(Duty::kWork) = {1};
  Worker& worker = Ready(job, kPeer);
  dispatcher_.AddWant(worker, 2);
  dispatcher_.HandOut(job, 0);
  EXPECT_EQ(BlocksTo(kPeer), (Blocks{{0}})) << "with a block in hand it may not have block 1";
  Worker& other = Ready(job, kOther);
  dispatcher_.AddWant(other, 4);
  dispatcher_.HandOut(job, 0);
  EXPECT_EQ(BlocksTo(kOther), (Blocks{{1}})) << "with block 1 it may not have another";
  EXPECT_EQ(BlocksTo(kPeer), (Blocks{{0, 2}}));
}

TEST_F(DispatchPart, ATaskHandsOutNoBlockWhileItIsPausedOrMayHaveUnknownLeases) {
  Job& job = Begin(TaskOf(4));
  EXPECT_EQ(TaskHandsOutNothingBecause(job, 0), "");
  dispatcher_.AddWant(Ready(job, kPeer), 4);
  job.spec.tasks[0].paused = true;
  dispatcher_.HandOut(job, 0);
  EXPECT_EQ(BlocksTo(kPeer), Blocks{});
  job.spec.tasks[0].paused = false;
  Worker& unknown = roster_.AddRecovered({.worker = durable_.NextWorker()}, job, LauncherId());
  dispatcher_.HandOut(job, 0);
  EXPECT_EQ(BlocksTo(kPeer), Blocks{});
  roster_.EndRecovering(unknown);
  dispatcher_.HandOut(job, 0);
  EXPECT_EQ(BlocksTo(kPeer), (Blocks{{0, 1, 2, 3}}));
}

TEST_F(DispatchPart, TooManyFailuresAreMoreThanMaxFailures) {
  Job& job = Begin(TaskOf(4));
  job.tasks[0].failures_counted = 3;
  EXPECT_EQ(TooManyFailures(job, 0), "") << "no limit is given";
  job.spec.tasks[0].max_failures = 3;
  EXPECT_EQ(TooManyFailures(job, 0), "");
  job.spec.tasks[0].max_failures = 2;
  EXPECT_EQ(TooManyFailures(job, 0), "max_failures is 2, and 3 attempts have failed");
}

TEST_F(DispatchPart, ASlowedTaskHandsOutOneBlockAtATime) {
  Job& job = Begin(TaskOf(4));
  job.tasks[0].slowed = "is slowed";
  dispatcher_.AddWant(Ready(job, kPeer), 4);
  for (uint64_t leased = 1; leased <= 3; ++leased) {
    dispatcher_.HandOut(job, 0);
    EXPECT_EQ(job.counts(0).leased, leased);
    dispatcher_.HandOut(job, 0);
    EXPECT_EQ(job.counts(0).leased, leased);
    Pass(options_.slow_interval);
  }
}

TEST_F(DispatchPart, WorkersGetTheBlocksThatTheCheckHasCleared) {
  TaskSpec spec = TaskOf(4);
  spec.check = WorkerGroup{{"check"}, 1, {}};
  Job& job = Begin(spec);
  dispatcher_.AddWant(Ready(job, kPeer), 4);
  dispatcher_.AddWant(Ready(job, kOther, Duty::kCheck), 1);
  dispatcher_.HandOut(job, 0);
  EXPECT_EQ(BlocksTo(kOther), (Blocks{{0}}));
  EXPECT_EQ(BlocksTo(kPeer), Blocks{});
  EXPECT_EQ(job.counts(0).leased, 0u) << "a block that is being checked counts as ready";
  job.tasks[0].checking = 0;
  job.tasks[0].cleared = {0};
  dispatcher_.HandOut(job, 0);
  EXPECT_EQ(BlocksTo(kPeer), (Blocks{{0}}));
}

TEST_F(DispatchPart, APostCheckerGetsBlocksThatAreDone) {
  TaskSpec spec = TaskOf(4);
  spec.post_check = WorkerGroup{{"check"}, 1, {}};
  Job& job = Begin(spec);
  job.tasks[0].to_confirm = {2};
  dispatcher_.AddWant(Ready(job, kOther, Duty::kPostCheck), 1);
  dispatcher_.DispatchPostChecks(job, 0);
  EXPECT_EQ(BlocksTo(kOther), (Blocks{{2}}));
  EXPECT_TRUE(job.tasks[0].to_confirm.empty());
}

}  // namespace
}  // namespace bellis::test
