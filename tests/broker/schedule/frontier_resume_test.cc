// A job that goes on where an earlier run stopped. The oracle never stops. The frontier is thrown
// away again and again, and made again from the progress that would be on disk.

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/broker/schedule/oracle.h"
#include "tests/broker/schedule/random_job.h"

namespace bellis::test {
namespace {

struct Held {
  BlockRef block;
  size_t position;
};

/// The stored progress of the job: the frontier's completed blocks, and the failed and skipped
/// blocks as they happened.
std::vector<TaskProgress> Stored(const Schedule& schedule, const Oracle& oracle) {
  std::vector<TaskProgress> all(schedule.job.tasks.size());
  for (TaskIndex t = 0; t < all.size(); ++t) {
    all[t].completed = schedule.frontier->CompletedRuns(t);
    all[t].skipped = schedule.frontier->counts(t).skipped;
  }
  for (const Oracle::Block& block : oracle.blocks()) {
    if (block.state != Oracle::State::kFailed) continue;
    all[block.ref.task].failed.push_back({block.ref.block, block.ref.block + 1});
  }
  return all;
}

void Drain(Frontier* frontier) {
  while (frontier->Work(3)) {
  }
}

TEST(FrontierResume, GoesOnWithWhatWasLeftAndWithWhatWorkersStillHold) {
  for (uint64_t seed = 1; seed <= 1500; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomJob random(seed);
    const Order order = random.Pick(0, 1) == 0 ? Order::kFifo : Order::kDeepest;
    const FrontierLimits limits{
        .inline_work = random.Pick(0, 3),
        .ready_ahead = random.Pick(0, 1) == 0 ? 65536 : static_cast<size_t>(random.Pick(1, 8)),
        .orphans_swept = seed % 3 == 0 ? seed % 5 : FrontierLimits{}.orphans_swept};
    Schedule schedule(random.Make(), order, limits);
    Oracle oracle(schedule, order);
    const std::vector<Order> orders(schedule.job.tasks.size(), order);
    const size_t parallel = static_cast<size_t>(random.Pick(1, 10));
    std::vector<Held> held;
    int stops_left = random.Pick(1, 6);
    Drain(schedule.frontier.get());
    for (bool progress = true; progress;) {
      for (TaskIndex t = 0; t < schedule.job.tasks.size(); ++t) {
        while (held.size() < parallel) {
          const auto block = schedule.Take(t);
          if (!block) break;
          size_t position;
          ASSERT_TRUE(oracle.Take(*block, &position)) << "a block is ready too early, or twice";
          held.push_back({*block, position});
        }
      }
      progress = schedule.frontier->has_work() || !held.empty();
      schedule.frontier->Work(random.Pick(1, 3));
      if (!held.empty()) {
        const auto at = static_cast<size_t>(random.Pick(0, static_cast<int>(held.size()) - 1));
        const Held done = held[at];
        held.erase(held.begin() + static_cast<ptrdiff_t>(at));
        const int dice = random.Pick(0, 40);
        if (dice == 0) {
          schedule.frontier->Fail(done.block);
          oracle.Fail(done.position);
        } else if (dice < 4) {
          schedule.frontier->Requeue(done.block);
          oracle.Requeue(done.position);
        } else {
          schedule.frontier->Complete(done.block);
          oracle.Complete(done.position);
        }
      }
      if (stops_left > 0 && random.Pick(0, 12) == 0) {
        --stops_left;
        auto again =
            Frontier::Resume(schedule.graph.get(), orders, Stored(schedule, oracle), limits);
        ASSERT_TRUE(again.ok()) << again.error().message;
        *schedule.frontier = std::move(*again);
        // Sooner or later most workers claim the leases that they hold; some never do.
        for (int i = random.Pick(0, 20); i > 0; --i) schedule.frontier->Work(1);
        std::erase_if(held, [&](const Held& lease) {
          if (random.Pick(0, 3) > 0) {
            EXPECT_TRUE(schedule.frontier->Claim(lease.block));
            return false;
          }
          oracle.Requeue(lease.position);
          return true;
        });
        // Blocks that wait or are final cannot be claimed.
        for (int i = 0; i < 3 && !oracle.blocks().empty(); ++i) {
          const auto& any = oracle.blocks()[static_cast<size_t>(
              random.Pick(0, static_cast<int>(oracle.blocks().size()) - 1))];
          if (any.state == Oracle::State::kReady || any.state == Oracle::State::kLeased) continue;
          EXPECT_FALSE(schedule.frontier->Claim(any.ref));
        }
        progress = true;
      }
    }
    for (TaskIndex t = 0; t < schedule.job.tasks.size(); ++t) {
      EXPECT_TRUE(schedule.frontier->Done(t));
      EXPECT_TRUE(schedule.frontier->counts(t) == oracle.Counts(t));
    }
  }
}

TEST(FrontierResume, RefusesRunsThatCannotBe) {
  Schedule schedule({.tasks = {Line("t", 10)}});
  const auto resume = [&](std::vector<BlockRun> completed, std::vector<BlockRun> failed) {
    TaskProgress progress{.completed = std::move(completed), .failed = std::move(failed)};
    return Frontier::Resume(schedule.graph.get(), {Order::kFifo}, {progress});
  };
  EXPECT_TRUE(resume({{0, 10}}, {}).ok());
  EXPECT_TRUE(resume({{0, 4}, {5, 9}}, {{4, 5}}).ok());
  for (const auto& made : {resume({{0, 11}}, {}), resume({{3, 3}}, {}), resume({{0, 4}}, {{3, 5}}),
                           resume({{0, 4}, {3, 6}}, {})}) {
    ASSERT_FALSE(made.ok());
    EXPECT_EQ(made.error().code, ErrorCode::kStorage);
  }
}

TEST(BlockStatesRuns, AreWhatWasSet) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    RandomJob random(seed);
    const auto blocks = static_cast<uint64_t>(random.Pick(1, 3) == 1 ? random.Pick(1, 200)
                                                                     : random.Pick(1, 9'000'000));
    BlockStates states(blocks);
    std::vector<BlockRun> runs;
    for (uint64_t at = static_cast<uint64_t>(random.Pick(0, 9000)); at < blocks;) {
      const auto length = static_cast<uint64_t>(random.Pick(0, 2) == 0 ? random.Pick(1, 5'000'000)
                                                                       : random.Pick(1, 5000));
      runs.push_back({at, std::min(blocks, at + length)});
      ASSERT_TRUE(states.SetRun(runs.back(), BlockState::kCompleted));
      at += length + static_cast<uint64_t>(random.Pick(1, 9000));
    }
    ASSERT_EQ(states.CompletedRuns(), runs) << "seed " << seed;
    BlockIndex at = 0;
    for (size_t r = 0; r <= runs.size(); ++r) {
      const BlockIndex begin = r < runs.size() ? runs[r].begin : blocks;
      int64_t budget = 1 << 20;
      if (at < begin) {
        EXPECT_EQ(states.FirstUnfinished(at, blocks, &budget).found, at);
        EXPECT_EQ(states.FirstUnfinished(begin - 1, blocks, &budget).found, begin - 1);
      }
      if (r == runs.size()) break;
      const auto after = states.FirstUnfinished(begin, blocks, &budget);
      EXPECT_EQ(after.found.value_or(blocks), runs[r].end);
      EXPECT_FALSE(states.FirstUnfinished(begin, runs[r].end, &budget).found.has_value());
      at = runs[r].end;
    }
  }
}

}  // namespace
}  // namespace bellis::test
