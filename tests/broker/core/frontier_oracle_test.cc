// The frontier against the oracle, on random jobs: the same block next, the same counts after
// every step, whatever completes, fails, is retried or is given up.

#include <gtest/gtest.h>

#include "tests/broker/core/oracle.h"
#include "tests/broker/core/random_job.h"

namespace bellis::test {
namespace {

constexpr int kJobs = 1500;

void ExpectSameCounts(const Schedule& schedule, const Oracle& oracle) {
  for (TaskIndex t = 0; t < schedule.job.tasks.size(); ++t) {
    const BlockCounts core = schedule.frontier->counts(t);
    ASSERT_EQ(core, oracle.Counts(t)) << "task " << t;
    ASSERT_EQ(core.blocks, core.masked + core.pending + core.ready + core.leased + core.completed +
                               core.failed + core.orphaned);
  }
}

struct Held {
  BlockRef block;
  size_t position;
};

/// Runs one job to its end, some blocks leased at a time.
void RunJob(uint64_t seed, Order order) {
  RandomJob random(seed);
  Schedule schedule(random.Make(), order);
  Oracle oracle(schedule, order);
  ASSERT_NO_FATAL_FAILURE(ExpectSameCounts(schedule, oracle));
  const int parallel = random.Pick(1, 12);
  const int fail_percent = random.Pick(0, 3) == 0 ? random.Pick(1, 10) : 0;
  const bool abandon = random.Pick(0, 9) == 0;
  const auto tasks = static_cast<int>(schedule.job.tasks.size());
  std::vector<Held> held;
  while (true) {
    for (TaskIndex t = 0; t < schedule.job.tasks.size(); ++t) {
      while (held.size() < static_cast<size_t>(parallel)) {
        const auto block = schedule.Take(t);
        const auto expected = oracle.Next(t);
        ASSERT_EQ(block.has_value(), expected.has_value());
        if (!block) break;
        ASSERT_EQ(*block, oracle.blocks()[*expected].ref);
        held.push_back({*block, *expected});
      }
    }
    if (held.empty()) break;
    const auto at = static_cast<size_t>(random.Pick(0, static_cast<int>(held.size()) - 1));
    const Held done = held[at];
    held.erase(held.begin() + static_cast<ptrdiff_t>(at));
    const int dice = random.Pick(0, 99);
    if (dice < fail_percent) {
      schedule.frontier->Fail(done.block);
      oracle.Fail(done.position);
    } else if (dice < fail_percent + 5) {
      schedule.frontier->Requeue(done.block);
      oracle.Requeue(done.position);
    } else {
      schedule.frontier->Complete(done.block);
      oracle.Complete(done.position);
    }
    if (abandon && held.empty() && random.Pick(0, 9) == 0) {
      const auto task = static_cast<TaskIndex>(random.Pick(0, tasks - 1));
      schedule.frontier->Abandon(task);
      oracle.Abandon(task);
    }
    while (schedule.frontier->Work(random.Pick(1, 5))) {
    }
    ASSERT_NO_FATAL_FAILURE(ExpectSameCounts(schedule, oracle));
  }
  for (TaskIndex t = 0; t < schedule.job.tasks.size(); ++t) {
    EXPECT_TRUE(schedule.frontier->Done(t)) << "the run ended before task " << t;
  }
}

TEST(FrontierOracle, LeasesTheSameBlocksInFifoOrder) {
  for (uint64_t seed = 1; seed <= kJobs; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    ASSERT_NO_FATAL_FAILURE(RunJob(seed, Order::kFifo));
  }
}

TEST(FrontierOracle, LeasesTheSameBlocksDeepestFirst) {
  for (uint64_t seed = 1; seed <= kJobs; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    ASSERT_NO_FATAL_FAILURE(RunJob(seed, Order::kDeepest));
  }
}

TEST(FrontierOracle, WorkInSmallPiecesNeverReadiesABlockEarlyAndEndsTheSame) {
  for (uint64_t seed = 1; seed <= kJobs; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomJob random(seed);
    Schedule schedule(random.Make(), Order::kDeepest, /*inline_work=*/random.Pick(0, 3));
    Oracle oracle(schedule, Order::kDeepest);
    std::vector<Held> held;
    for (bool progress = true; progress;) {
      for (TaskIndex t = 0; t < schedule.job.tasks.size(); ++t) {
        while (const auto block = schedule.Take(t)) {
          size_t position;
          ASSERT_TRUE(oracle.Take(*block, &position)) << "a block is ready too early";
          held.push_back({*block, position});
        }
      }
      progress = schedule.frontier->has_work() || !held.empty();
      schedule.frontier->Work(random.Pick(1, 3));
      if (held.empty()) continue;
      const auto at = static_cast<size_t>(random.Pick(0, static_cast<int>(held.size()) - 1));
      if (random.Pick(0, 30) == 0) {
        schedule.frontier->Fail(held[at].block);
        oracle.Fail(held[at].position);
      } else {
        schedule.frontier->Complete(held[at].block);
        oracle.Complete(held[at].position);
      }
      held.erase(held.begin() + static_cast<ptrdiff_t>(at));
    }
    ASSERT_NO_FATAL_FAILURE(ExpectSameCounts(schedule, oracle));
    for (TaskIndex t = 0; t < schedule.job.tasks.size(); ++t) {
      EXPECT_TRUE(schedule.frontier->Done(t));
    }
  }
}

TEST(FrontierOracle, NoTwoConflictingBlocksAreEverReadyTogether) {
  for (uint64_t seed = 1; seed <= kJobs / 5; ++seed) {
    RandomJob random(seed);
    Schedule schedule(random.Make(), Order::kFifo);
    Oracle oracle(schedule, Order::kFifo);
    std::vector<Held> held;
    for (bool progress = true; progress;) {
      for (TaskIndex t = 0; t < schedule.job.tasks.size(); ++t) {
        while (const auto block = schedule.Take(t)) held.push_back({*block, *oracle.Next(t)});
      }
      progress = !held.empty();
      for (size_t i = 0; i < held.size(); ++i) {
        for (size_t j = 0; j < i; ++j) {
          const TaskIndex task = held[i].block.task;
          if (schedule.job.tasks[task].read_write_conflict == Conflict::kNone) continue;
          ASSERT_FALSE(oracle.Conflicting(held[i].position, held[j].position)) << "seed " << seed;
        }
      }
      if (progress) {
        const auto at = static_cast<size_t>(random.Pick(0, static_cast<int>(held.size()) - 1));
        schedule.frontier->Complete(held[at].block);
        oracle.Complete(held[at].position);
        held.erase(held.begin() + static_cast<ptrdiff_t>(at));
      }
    }
  }
}

}  // namespace
}  // namespace bellis::test
