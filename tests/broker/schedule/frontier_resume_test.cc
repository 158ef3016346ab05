// A job that goes on where an earlier run stopped. The oracle never stops. The frontier is thrown
// away again and again, and made again from the progress that would be on disk.

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/broker/schedule/oracle.h"
#include "tests/broker/schedule/random_job.h"

namespace bellis::test {
namespace {

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

/// A random job in the oracle, and in a frontier that is thrown away now and then.
class InterruptedRun {
 public:
  explicit InterruptedRun(uint64_t seed)
      : random_(seed),
        order_(random_.Pick(0, 1) == 0 ? Order::kFifo : Order::kDeepest),
        limits_{.inline_work = random_.Pick(0, 3),
                .ready_ahead =
                    random_.Pick(0, 1) == 0 ? 65536 : static_cast<size_t>(random_.Pick(1, 8)),
                .orphans_swept = seed % 3 == 0 ? seed % 5 : FrontierLimits{}.orphans_swept},
        schedule_(random_.Make(), order_, limits_),
        oracle_(schedule_, order_),
        held_max_(static_cast<size_t>(random_.Pick(1, 10))),
        stops_left_(random_.Pick(1, 6)) {}

  /// Runs the job to its end, and compares.
  void Run() {
    while (frontier().Work(3)) {
    }
    for (bool progress = true; progress;) {
      ASSERT_NO_FATAL_FAILURE(LeaseWhatIsReady());
      progress = frontier().has_work() || !held_.empty();
      frontier().Work(random_.Pick(1, 3));
      if (!held_.empty()) EndOneLease();
      if (stops_left_ > 0 && random_.Pick(0, 12) == 0) {
        --stops_left_;
        ASSERT_NO_FATAL_FAILURE(Resume());
        ClaimLeases();
        ClaimWhatNobodyHolds();
        progress = true;
      }
    }
    for (TaskIndex t = 0; t < schedule_.job.tasks.size(); ++t) {
      EXPECT_TRUE(frontier().Done(t));
      EXPECT_TRUE(frontier().counts(t) == oracle_.Counts(t));
    }
  }

 private:
  struct Held {
    BlockRef block;
    size_t position;  // in the oracle
  };

  Frontier& frontier() { return *schedule_.frontier; }

  void LeaseWhatIsReady() {
    for (TaskIndex t = 0; t < schedule_.job.tasks.size(); ++t) {
      while (held_.size() < held_max_) {
        const auto block = schedule_.Take(t);
        if (!block) break;
        size_t position;
        ASSERT_TRUE(oracle_.Take(*block, &position)) << "a block is ready too early, or twice";
        held_.push_back({*block, position});
      }
    }
  }

  /// Completes or fails one of the held blocks, or gives it back untouched.
  void EndOneLease() {
    const auto at = static_cast<size_t>(random_.Pick(0, static_cast<int>(held_.size()) - 1));
    const Held done = held_[at];
    held_.erase(held_.begin() + static_cast<ptrdiff_t>(at));
    const int dice = random_.Pick(0, 40);
    if (dice == 0) {
      frontier().Fail(done.block);
      oracle_.Fail(done.position);
    } else if (dice < 4) {
      frontier().Requeue(done.block);
      oracle_.Requeue(done.position);
    } else {
      frontier().Complete(done.block);
      oracle_.Complete(done.position);
    }
  }

  /// Makes the frontier again.
  void Resume() {
    const std::vector<Order> orders(schedule_.job.tasks.size(), order_);
    auto again =
        Frontier::Resume(schedule_.graph.get(), orders, Stored(schedule_, oracle_), limits_);
    ASSERT_TRUE(again.ok()) << again.error().message;
    frontier() = std::move(*again);
  }

  /// Sooner or later most workers claim the leases that they hold; some never do.
  void ClaimLeases() {
    for (int i = random_.Pick(0, 20); i > 0; --i) frontier().Work(1);
    std::erase_if(held_, [&](const Held& lease) {
      if (random_.Pick(0, 3) > 0) {
        EXPECT_TRUE(frontier().Claim(lease.block));
        return false;
      }
      oracle_.Requeue(lease.position);
      return true;
    });
  }

  /// Blocks that wait or are final cannot be claimed.
  void ClaimWhatNobodyHolds() {
    for (int i = 0; i < 3 && !oracle_.blocks().empty(); ++i) {
      const auto& any = oracle_.blocks()[static_cast<size_t>(
          random_.Pick(0, static_cast<int>(oracle_.blocks().size()) - 1))];
      if (any.state == Oracle::State::kReady || any.state == Oracle::State::kLeased) continue;
      EXPECT_FALSE(frontier().Claim(any.ref));
    }
  }

  RandomJob random_;
  Order order_;
  FrontierLimits limits_;
  Schedule schedule_;
  Oracle oracle_;
  size_t held_max_;
  int stops_left_;
  std::vector<Held> held_;
};

TEST(FrontierResume, GoesOnWithWhatWasLeftAndWithWhatWorkersStillHold) {
  for (uint64_t seed = 1; seed <= 1500; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    InterruptedRun run(seed);
    ASSERT_NO_FATAL_FAILURE(run.Run());
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
