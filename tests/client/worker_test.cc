// How a worker acquires and releases blocks, as the broker sees it.

#include "bellis/worker.h"

#include <gtest/gtest.h>

#include "client/cpp/connection.h"
#include "tests/client/fake_broker.h"
#include "tests/client/one_at_a_time.h"

namespace bellis {
namespace {

WorkerOptions OptionsFor(const FakeBroker& broker) {
  WorkerOptions options = OneAtATime(broker);
  options.task = "smooth";
  return options;
}

std::vector<BlockResult> AllResults(const FakeBroker& broker) {
  std::vector<BlockResult> results;
  for (const ReleaseMsg& release : broker.All<ReleaseMsg>()) {
    results.insert(results.end(), release.results.begin(), release.results.end());
  }
  return results;
}

TEST(Worker, RunGoesThroughAllBlocksWithOneMessageEach) {
  FakeBroker broker(HandOut(3));
  std::vector<BlockIndex> seen;
  {
    Worker worker(OptionsFor(broker));
    worker.Run([&seen](const Block& block) { seen.push_back(block.index()); });
    EXPECT_EQ(worker.leave_reason(), "the task is done");
  }
  EXPECT_EQ(seen, (std::vector<BlockIndex>{0, 1, 2}));
  ASSERT_TRUE(broker.AwaitKind("bye"));
  EXPECT_EQ(broker.kinds(), "hello acquire release release release bye");
  for (const ReleaseMsg& release : broker.All<ReleaseMsg>()) {
    ASSERT_EQ(release.results.size(), 1u);
    EXPECT_EQ(release.results[0].outcome, BlockOutcome::kCompleted);
    EXPECT_EQ(release.want, 1u);
  }
}

TEST(Worker, BlockHasAllFieldsThatTheBrokerSent) {
  FakeBroker broker(HandOut(1));
  Worker worker(OptionsFor(broker));
  auto block = worker.Acquire();
  ASSERT_TRUE(block);
  EXPECT_EQ(block->read_roi(), Roi({-1}, {12}));
  EXPECT_EQ(block->write_roi(), Roi({0}, {10}));
  EXPECT_EQ(block->id(), 0);
  EXPECT_EQ(block->index(), 0u);
  EXPECT_EQ(block->attempt(), 1u);
  EXPECT_EQ(block->lease(), LeaseId(1));
  EXPECT_EQ(block->task(), "smooth");
  EXPECT_EQ(worker.job(), "job-1");
  EXPECT_EQ(worker.id(), WorkerId(1));
}

TEST(Worker, HelloSaysWhoTheWorkerIs) {
  FakeBroker broker(HandOut(0));
  WorkerOptions options = OptionsFor(broker);
  options.job = "job-1";
  options.worker = WorkerId(17);
  options.token = "secret";
  Worker worker(options);
  const HelloMsg hello = broker.All<HelloMsg>().at(0);
  EXPECT_EQ(hello.role, Role::kWorker);
  EXPECT_EQ(hello.job, "job-1");
  EXPECT_EQ(hello.task, "smooth");
  EXPECT_EQ(hello.worker, WorkerId(17));
  EXPECT_EQ(hello.token, "secret");
  EXPECT_EQ(hello.language, "c++");
  EXPECT_EQ(hello.pid, getpid());
  EXPECT_FALSE(hello.host.empty());
}

TEST(Worker, LoopCompletesBlocksAtTheEndOfTheirScope) {
  FakeBroker broker(HandOut(2));
  Worker worker(OptionsFor(broker));
  int blocks = 0;
  while (auto block = worker.Acquire()) ++blocks;
  EXPECT_EQ(blocks, 2);
  ASSERT_TRUE(broker.AwaitKind("bye"));
  EXPECT_EQ(broker.kinds(), "hello acquire release release bye");
  EXPECT_FALSE(worker.Acquire()) << "having left, it stays away";
}

TEST(Worker, FailHandsTheBlockBackAsFailed) {
  FakeBroker broker(HandOut(1));
  Worker worker(OptionsFor(broker));
  while (auto block = worker.Acquire()) block->Fail("no signal");
  const auto results = AllResults(broker);
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(results[0].outcome, BlockOutcome::kFailed);
  EXPECT_EQ(results[0].error, "no signal");
}

TEST(Worker, ExceptionThatLeavesTheScopeFailsTheBlock) {
  FakeBroker broker(HandOut(2));
  Worker worker(OptionsFor(broker));
  try {
    auto block = worker.Acquire();
    throw std::runtime_error("out of disk");
  } catch (const std::runtime_error&) {
  }
  ASSERT_TRUE(broker.AwaitKind("release")) << "a failure is reported at once";
  const ReleaseMsg release = broker.All<ReleaseMsg>().at(0);
  EXPECT_EQ(release.results.at(0).outcome, BlockOutcome::kFailed);
  EXPECT_EQ(release.want, 0u);
  EXPECT_TRUE(worker.Acquire()) << "the worker is still good";
}

TEST(Worker, BlockWorkedOnWhileAnotherExceptionIsHandledCompletes) {
  FakeBroker broker(HandOut(1));
  Worker worker(OptionsFor(broker));
  try {
    throw std::runtime_error("earlier");
  } catch (const std::runtime_error&) {
    while (auto block = worker.Acquire()) continue;
  }
  EXPECT_EQ(AllResults(broker).at(0).outcome, BlockOutcome::kCompleted);
}

TEST(Worker, RunFailsBlocksByStatusAndByExceptionAndGoesOn) {
  FakeBroker broker(HandOut(4));
  testing::internal::CaptureStderr();
  {
    Worker worker(OptionsFor(broker));
    worker.Run([](const Block& block) -> Status {
      if (block.index() == 0) return Error{ErrorCode::kIo, "disk full"};
      if (block.index() == 1) throw std::runtime_error("bad pixel");
      if (block.index() == 2) throw 7;
      return OkStatus();
    });
  }
  const std::string log = testing::internal::GetCapturedStderr();
  ASSERT_TRUE(broker.AwaitKind("bye"));
  const auto results = AllResults(broker);
  ASSERT_EQ(results.size(), 4u);
  EXPECT_EQ(results[0].error, "disk full");
  EXPECT_EQ(results[1].error, "bad pixel");
  EXPECT_EQ(results[2].error, "an exception that is no std::exception");
  EXPECT_EQ(results[3].outcome, BlockOutcome::kCompleted);
  EXPECT_NE(log.find("block 1 of task 'smooth' failed (attempt 1): bad pixel"), std::string::npos)
      << log;
}

TEST(Worker, RunTakesAnyResult) {
  FakeBroker broker(HandOut(2));
  testing::internal::CaptureStderr();
  {
    Worker worker(OptionsFor(broker));
    worker.Run([](const Block& block) -> Result<int> {
      if (block.index() == 0) return 5;
      return Error{ErrorCode::kIo, "odd"};
    });
  }
  testing::internal::GetCapturedStderr();
  EXPECT_EQ(AllResults(broker).at(1).error, "odd");
}

TEST(Worker, FinishReportsBeforeTheNextAcquire) {
  FakeBroker broker(HandOut(2));
  Worker worker(OptionsFor(broker));
  auto block = worker.Acquire();
  block->Finish();
  ASSERT_TRUE(broker.AwaitKind("release"));
  EXPECT_EQ(broker.All<ReleaseMsg>().at(0).want, 0u);
  block.reset();
  EXPECT_TRUE(worker.Acquire());
  EXPECT_EQ(broker.kinds(), "hello acquire release acquire") << "reported once, asked on its own";
}

TEST(Worker, EndReportsTheLastBlockThenSaysBye) {
  FakeBroker broker(HandOut(2));
  {
    Worker worker(OptionsFor(broker));
    auto block = worker.Acquire();
  }
  ASSERT_TRUE(broker.AwaitKind("bye"));
  EXPECT_EQ(broker.kinds(), "hello acquire release bye");
  EXPECT_EQ(broker.All<ReleaseMsg>().at(0).want, 0u);
}

TEST(Worker, HandleThatOutlivesItsWorkerIsHarmless) {
  FakeBroker broker(HandOut(1));
  std::optional<BlockHandle> block;
  {
    Worker worker(OptionsFor(broker));
    block.emplace(*worker.Acquire());
  }
  block.reset();
  ASSERT_TRUE(broker.AwaitKind("bye"));
  EXPECT_TRUE(AllResults(broker).empty());
}

TEST(Worker, MovedWorkerGoesOn) {
  FakeBroker broker(HandOut(1));
  Worker first(OptionsFor(broker));
  Worker second = std::move(first);
  EXPECT_TRUE(second.Acquire());
}

TEST(Worker, PrefetchKeepsAStockAndAsksForBlocksOneByOne) {
  FakeBroker broker(HandOut(5));
  WorkerOptions options = OptionsFor(broker);
  options.prefetch = 2;
  std::vector<BlockIndex> seen;
  {
    Worker worker(options);
    worker.Run([&seen](const Block& block) { seen.push_back(block.index()); });
  }
  EXPECT_EQ(seen, (std::vector<BlockIndex>{0, 1, 2, 3, 4}));
  EXPECT_EQ(broker.All<AcquireMsg>().at(0).want, 3u);
  EXPECT_EQ(broker.All<ReleaseMsg>().at(0).want, 1u);
  EXPECT_EQ(AllResults(broker).size(), 5u);
}

TEST(Worker, BlocksOfMicrosecondsAreAskedForInAdvanceAndReportedAtOnce) {
  FakeBroker broker(HandOut(500));
  WorkerOptions options = OptionsFor(broker);
  options.prefetch = std::nullopt;
  uint64_t blocks = 0;
  {
    Worker worker(options);
    worker.Run([&blocks](const Block& /*block*/) { ++blocks; });
  }
  EXPECT_EQ(blocks, 500u);
  EXPECT_EQ(AllResults(broker).size(), 500u);
  uint32_t most = 0;
  for (const AcquireMsg& acquire : broker.All<AcquireMsg>()) most = std::max(most, acquire.want);
  EXPECT_EQ(broker.All<AcquireMsg>().at(0).want, 1u) << "nothing is known of the first block";
  EXPECT_GT(most, 1u);
}

TEST(Worker, BlocksThatWereAskedForInAdvanceAreReturnedWhenOneTakesLong) {
  // One block at a time until two are asked for: a busy machine may make any block a long one.
  constexpr BlockIndex kLong = 1000;
  BlockIndex next = 0;
  FakeBroker broker([&](FakeBroker& self, const FakeBroker::Peer& peer, const Message& message) {
    if (std::holds_alternative<HelloMsg>(message)) self.Send(peer, WelcomeMsg{});
    uint32_t want = 0;
    if (const auto* acquire = std::get_if<AcquireMsg>(&message)) want = acquire->want;
    if (const auto* release = std::get_if<ReleaseMsg>(&message)) want = release->want;
    if (want == 1) self.Send(peer, WorkMsg{{TestBlock(next++)}});
    if (want == 2) self.Send(peer, WorkMsg{{TestBlock(kLong), TestBlock(kLong + 1)}});
  });
  WorkerOptions options = OptionsFor(broker);
  options.prefetch = std::nullopt;
  Worker worker(options);
  auto block = worker.Acquire();
  while (block && block->index() != kLong) {
    block.reset();
    auto another = worker.Acquire();
    ASSERT_TRUE(another);
    block.emplace(std::move(*another));
  }
  const auto returned = [&broker] {
    const std::vector<BlockResult> results = AllResults(broker);
    return !results.empty() && results.back().outcome == BlockOutcome::kReturned &&
           results.back().lease == TestBlock(kLong + 1).lease;
  };
  const Instant until = ClientNow() + Duration::Seconds(20);
  while (!returned() && ClientNow() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_TRUE(returned()) << "while this thread has the block";
}

TEST(Worker, SeveralBlocksAtOnceAreNotAskedForInAdvance) {
  FakeBroker broker(HandOut(6));
  WorkerOptions options = OptionsFor(broker);
  options.prefetch = std::nullopt;
  Worker worker(options);
  for (int pair = 0; pair < 3; ++pair) {
    auto first = worker.Acquire();
    auto second = worker.Acquire();
    EXPECT_TRUE(first && second);
  }
  for (const AcquireMsg& acquire : broker.All<AcquireMsg>()) EXPECT_LE(acquire.want, 2u);
}

TEST(Worker, PrefetchBeyondTheProtocolsLimitIsRefused) {
  WorkerOptions options;
  options.endpoint = "ipc:///tmp/none";
  options.prefetch = kWantMax;
  try {
    Worker worker(options);
    FAIL();
  } catch (const WorkerError& error) {
    EXPECT_EQ(error.code(), ErrorCode::kLimit);
    EXPECT_STREQ(error.what(), "prefetch is 1024; at most 1023");
  }
}

TEST(Worker, DrainReturnsTheStockAndAsksForNoMore) {
  FakeBroker broker([](FakeBroker& self, const FakeBroker::Peer& peer, const Message& message) {
    if (std::holds_alternative<HelloMsg>(message)) self.Send(peer, WelcomeMsg{});
    if (!std::holds_alternative<AcquireMsg>(message)) return;
    self.Send(peer, WorkMsg{{TestBlock(0), TestBlock(1)}});
    self.Send(peer, DrainMsg{"failed too many blocks"});
  });
  WorkerOptions options = OptionsFor(broker);
  options.prefetch = 2;
  Worker worker(options);
  int blocks = 0;
  while (auto block = worker.Acquire()) {
    ++blocks;
    // Wait, so that both messages have arrived before the end of the block looks.
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  EXPECT_EQ(blocks, 1);
  EXPECT_EQ(worker.leave_reason(), "failed too many blocks");
  ASSERT_TRUE(broker.AwaitKind("bye"));
  EXPECT_EQ(broker.kinds(), "hello acquire release bye");
  const ReleaseMsg release = broker.All<ReleaseMsg>().at(0);
  EXPECT_EQ(release.want, 0u);
  ASSERT_EQ(release.results.size(), 2u);
  EXPECT_EQ(release.results[0].outcome, BlockOutcome::kCompleted);
  EXPECT_EQ(release.results[1].outcome, BlockOutcome::kReturned);
}

TEST(Worker, LeaveDropsTheStock) {
  FakeBroker broker([](FakeBroker& self, const FakeBroker::Peer& peer, const Message& message) {
    if (std::holds_alternative<HelloMsg>(message)) self.Send(peer, WelcomeMsg{});
    if (!std::holds_alternative<AcquireMsg>(message)) return;
    self.Send(peer, WorkMsg{{TestBlock(0), TestBlock(1)}});
    self.Send(peer, LeaveMsg{"cancelled"});
  });
  WorkerOptions options = OptionsFor(broker);
  options.prefetch = 1;
  Worker worker(options);
  int blocks = 0;
  while (auto block = worker.Acquire()) {
    ++blocks;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  EXPECT_EQ(blocks, 1);
  EXPECT_EQ(worker.leave_reason(), "cancelled");
}

}  // namespace
}  // namespace bellis
