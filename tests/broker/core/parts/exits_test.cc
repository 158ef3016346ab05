#include "broker/core/exits.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/broker/core/owners_fixture.h"

namespace bellis::test {
namespace {

class ExitsPart : public OwnersFixture {
 protected:
  /// The process of the worker ends with that code, after these last words.
  void Exit(Worker& worker, int32_t exit_code, const std::string& words = "") {
    exits_.WorkerExited(worker,
                        {.worker = worker.id, .exit_code = exit_code, .stderr_tail = words});
  }
  TaskRun& task() { return job_.tasks[0]; }
  GroupRun& group() { return task().pool(Duty::kWork).groups[0]; }

  Job& job_ = Begin(TaskOf(8));
  Orders orders_{All()};
  Results results_{All(), &orders_};
  LostLeases lost_leases_{All(), &results_};
  Claims claims_{All(), &results_};
  Exits exits_{All(), &lost_leases_, &claims_};
};

TEST_F(ExitsPart, ThePauseBeforeACrashedWorkerIsReplacedDoubles) {
  Duration pause = options_.backoff_first;
  for (uint32_t crashes = 1; crashes <= 8; ++crashes) {
    Worker& worker = Launch(job_);
    Connect(worker, kPeer);
    Exit(worker, 1);
    EXPECT_EQ(group().launch_at, turn_.now() + std::min(pause, options_.backoff_max));
    EXPECT_EQ(task().restarts, crashes);
    pause.ns *= 2;
  }
}

TEST_F(ExitsPart, AGroupWhoseWorkersKeepCrashingIsGivenUp) {
  job_.spec.tasks[0].max_worker_restarts = 1;
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(group().error, "");
    Worker& worker = Launch(job_);
    Connect(worker, kPeer);
    Exit(worker, 1);
  }
  EXPECT_EQ(group().error.rfind("2 workers in a row ended without completing a block", 0), 0u)
      << group().error;
}

TEST_F(ExitsPart, AWorkerThatExitsWithCodeZeroIsNotReplaced) {
  Exit(Launch(job_), 0);
  EXPECT_EQ(group().retired, 1u);
  EXPECT_EQ(group().crashes + task().restarts, 0u);
}

TEST_F(ExitsPart, AWorkerThatExitsWithCodeZeroWhileItHoldsABlockHasCrashed) {
  Worker& worker = Launch(job_);
  Connect(worker, kPeer);
  const Lease lease = HandOut(worker);
  Exit(worker, 0);
  EXPECT_EQ(group().retired, 0u);
  EXPECT_EQ(group().crashes, 1u);
  EXPECT_EQ(task().attempts[lease.block].failed, 1u);
}

TEST_F(ExitsPart, AnEndThatTheBrokerAskedForIsNotACrash) {
  Worker& replaced = Launch(job_);
  replaced.end_counts = EndCounts::kReplaced;
  Exit(replaced, 1);
  EXPECT_EQ(task().restarts, 1u);
  Worker& dismissed = Launch(job_);
  dismissed.end_counts = EndCounts::kDismissed;
  Exit(dismissed, 1);
  EXPECT_EQ(task().restarts, 1u);
  EXPECT_EQ(group().crashes + group().retired, 0u);
}

TEST_F(ExitsPart, TwoWorkersThatEndWithTheSameWordsBeforeTheirHelloAreEnough) {
  Exit(Launch(job_), 1, "starting\npid 17: no such module\n");
  EXPECT_EQ(group().error, "");
  Exit(Launch(job_), 1, "starting again\npid 18: no such module\n");
  EXPECT_EQ(group().error.rfind("2 workers ended before they said hello, with the same words", 0),
            0u)
      << group().error;
}

TEST_F(ExitsPart, WorkersThatWereStartedTogetherCountOnce) {
  Worker& first = Launch(job_);
  Worker& second = Launch(job_);
  Exit(first, 1, "no such module");
  Exit(second, 1, "no such module");
  EXPECT_EQ(group().error, "");
  Exit(Launch(job_), 1, "no such module");
  EXPECT_NE(group().error, "");
}

TEST_F(ExitsPart, TheFurtherConnectionsEndWithTheProcess) {
  Worker& place = Launch(job_);
  Connect(place, kPeer);
  Worker& further = roster_.AddFurther(durable_.NextWorker(), place);
  Connect(further, kOther);
  HandOut(further);
  const WorkerId id = further.id;
  Exit(place, 1);
  EXPECT_EQ(roster_.Find(id), nullptr);
  EXPECT_TRUE(roster_.empty());
  EXPECT_EQ(job_.counts(0).ready, 8u);
  EXPECT_EQ(peers_.Find(kOther)->worker, nullptr);
}

TEST_F(ExitsPart, OnlyItsOwnLauncherReportsTheEndOfAWorker) {
  Worker& worker = Launch(job_);
  const LauncherId foreign = launchers_.Add({"far", "", 6}).id;
  peers_.Bind(kOther, {.role = Role::kLauncher, .launcher = foreign});
  exits_.OnExited(kOther, {.worker = worker.id, .exit_code = 1});
  EXPECT_EQ(roster_.all().size(), 1u);
  exits_.OnExited(kLauncher, {.worker = worker.id, .exit_code = 1});
  EXPECT_TRUE(roster_.empty());
}

}  // namespace
}  // namespace bellis::test
