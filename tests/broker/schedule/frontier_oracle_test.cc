// The frontier against the oracle, on random jobs: the same block next, the same counts after
// every step, whatever completes, fails, is retried or is given up.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/broker/schedule/oracle.h"
#include "tests/broker/schedule/random_job.h"

namespace bellis::test {
namespace {

constexpr int kJobs = 1000;

/// The first difference of the counts; "" when frontier and oracle agree.
std::string CountsDiffer(const Schedule& schedule, const Oracle& oracle) {
  for (TaskIndex t = 0; t < schedule.job.tasks.size(); ++t) {
    const BlockCounts core = schedule.frontier->counts(t);
    const BlockCounts expected = oracle.Counts(t);
    if (core == expected) continue;
    const auto words = [](const BlockCounts& c) {
      std::string text;
      for (const uint64_t count :
           {c.masked, c.pending, c.ready, c.leased, c.completed, c.failed, c.orphaned}) {
        text += " " + std::to_string(count);
      }
      return text;
    };
    return "counts of task " + std::to_string(t) + " (masked, pending, ready, leased, completed, " +
           "skipped, failed, orphaned):" + words(core) + ", expected" + words(expected);
  }
  return "";
}

struct Held {
  BlockRef block;
  size_t position;
};

/// Runs a random job to its end, with some blocks leased at a time. "" when frontier and oracle
/// agree at every step, else the first difference. When the sweep does not reach all orphans, the
/// counts need agree only at the end.
std::string FirstDifference(RandomJob& random, Order order, FrontierLimits limits = {}) {
  Schedule schedule(random.Make(), order, limits);
  Oracle oracle(schedule, order);
  std::string difference = CountsDiffer(schedule, oracle);
  const int parallel = random.Pick(1, 12);
  const int fail_percent = random.Pick(0, 3) == 0 ? random.Pick(1, 10) : 0;
  const int skip_percent = random.Pick(0, 2) == 0 ? random.Pick(1, 90) : 0;
  const bool abandon = random.Pick(0, 9) == 0;
  const auto tasks = static_cast<int>(schedule.job.tasks.size());
  std::vector<Held> held;
  while (difference.empty()) {
    for (TaskIndex t = 0; t < schedule.job.tasks.size(); ++t) {
      while (held.size() < static_cast<size_t>(parallel)) {
        const auto index = schedule.frontier->Pop(t);
        const auto expected = oracle.Next(t);
        const auto words = [](const auto& found) {
          return found ? "block " + std::to_string(*found) : std::string("no block");
        };
        const auto expected_index =
            expected ? std::optional(oracle.blocks()[*expected].ref.block) : std::nullopt;
        if (index != expected_index) {
          return words(index) + " of task " + std::to_string(t) + " is next, expected " +
                 words(expected_index);
        }
        if (!index) break;
        const BlockRef block{t, *index};
        if (random.Pick(1, 100) <= skip_percent) {
          schedule.frontier->Skip(block);
          oracle.Skip(*expected);
        } else {
          schedule.frontier->Lease(block);
          held.push_back({block, *expected});
        }
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
    if (limits.orphans_swept == FrontierLimits{}.orphans_swept) {
      difference = CountsDiffer(schedule, oracle);
    }
  }
  if (difference.empty()) difference = CountsDiffer(schedule, oracle);
  for (TaskIndex t = 0; t < schedule.job.tasks.size() && difference.empty(); ++t) {
    if (!schedule.frontier->Done(t)) difference = "the run ended before task " + std::to_string(t);
  }
  return difference;
}

TEST(FrontierOracle, LeasesTheSameBlocksInEitherOrder) {
  for (uint64_t seed = 1; seed <= 2 * kJobs; ++seed) {
    RandomJob random(seed);
    ASSERT_EQ(FirstDifference(random, seed % 2 == 0 ? Order::kFifo : Order::kDeepest), "")
        << "seed " << seed;
  }
}

TEST(FrontierOracle, WhatIsNotSweptEndsTheSame) {
  for (uint64_t seed = 1; seed <= kJobs; ++seed) {
    RandomJob random(seed);
    const Order order = seed % 2 == 0 ? Order::kFifo : Order::kDeepest;
    ASSERT_EQ(FirstDifference(random, order, {.orphans_swept = seed % 5}), "") << "seed " << seed;
  }
}

/// The same, but RapidCheck draws every number, and makes a job that fails as small as it can.
/// RC_PARAMS="seed=..." replays a seed that it prints.
RC_GTEST_PROP(FrontierProperty, AgreesWithTheOracleAtEveryStep, ()) {
  RandomJob random([](int lo, int hi) { return lo == hi ? lo : *rc::gen::inRange(lo, hi + 1); });
  const Order order = random.Pick(0, 1) == 0 ? Order::kFifo : Order::kDeepest;
  const std::string difference = FirstDifference(random, order);
  if (!difference.empty()) RC_FAIL(difference);
}

TEST(FrontierOracle, WorkInSmallPiecesNeverReadiesABlockEarlyAndEndsTheSame) {
  for (uint64_t seed = 1; seed <= kJobs; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomJob random(seed);
    const Order order = random.Pick(0, 1) == 0 ? Order::kFifo : Order::kDeepest;
    Schedule schedule(random.Make(), order,
                      {.inline_work = random.Pick(0, 3),
                       .ready_ahead = static_cast<size_t>(random.Pick(1, 8)),
                       .orphans_swept = seed % 3 == 0 ? seed % 5 : FrontierLimits{}.orphans_swept});
    Oracle oracle(schedule, order);
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
    ASSERT_EQ(CountsDiffer(schedule, oracle), "");
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
