// Runs of blocks as a worker keeps them: leases in hand, its stock, and results to be stored.

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "bellis/worker.h"
#include "client/cpp/held_runs.h"
#include "client/cpp/stock.h"
#include "common/protocol/task_grid.h"
#include "tests/client/fake_broker.h"

namespace bellis {
namespace {

bool Same(const HeldRuns& runs, const std::map<LeaseId, HeldLease>& oracle) {
  std::vector<HeldLease> all;
  runs.AppendTo(&all);
  std::vector<HeldLease> expected;
  for (const auto& [lease, held] : oracle) expected.push_back(held);
  return all == expected && runs.size() == expected.size();
}

TEST(HeldRuns, AreASetOfLeases) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    std::mt19937_64 random(seed);
    HeldRuns runs;
    std::map<LeaseId, HeldLease> oracle;
    uint64_t next = 1;
    for (int step = 0; step < 200; ++step) {
      if (random() % 2 == 0) {
        next += random() % 3;
        const HeldLease held{LeaseId(next), 100 + next + random() % 8 / 7,
                             1 + static_cast<uint32_t>(random() % 8 / 7)};
        ++next;
        runs.Add(held);
        oracle[held.lease] = held;
      } else if (random() % 20 == 0) {
        std::vector<LeaseId> ours;
        for (uint64_t lease = 1; lease < next; ++lease) {
          if (random() % 4 != 0) ours.emplace_back(lease);
        }
        runs.KeepOnly(ours);
        std::erase_if(oracle, [&](const auto& one) {
          return !std::binary_search(ours.begin(), ours.end(), one.first);
        });
      } else {
        const LeaseRun gone{LeaseId(1 + random() % next), 1 + static_cast<uint32_t>(random() % 6)};
        runs.Remove(gone);
        for (uint32_t i = 0; i < gone.count; ++i) oracle.erase(LeaseId(gone.lease.value + i));
      }
      ASSERT_TRUE(Same(runs, oracle)) << "seed " << seed << ", step " << step;
    }
    std::vector<LeaseRun> leases;
    runs.AppendTo(&leases);
    uint64_t all = 0;
    for (const LeaseRun& run : leases) all += run.count;
    EXPECT_EQ(all, oracle.size());
  }
}

TaskSpec Task() {
  TaskSpec task;
  task.total_roi = Roi({0, 0}, {300, 100});
  task.read_roi = Roi({-1, -1}, {12, 12});
  task.write_roi = Roi({0, 0}, {10, 10});
  task.fit = Fit::kShrink;
  return task;
}

TaskGrid Grid() { return GridOf(Task(), BlockTiling::Make(Task()).value()); }

TEST(Stock, GivesBlocksOfRunsAndOthersInTheOrderOfLeases) {
  Stock stock;
  ASSERT_TRUE(stock.SetGrid(Grid()).ok());
  WorkMsg work;
  work.runs = {{LeaseId(3), 4, 3}, {LeaseId(7), 9, 1}};
  LeasedBlock retry =
      Unfold(WorkMsg{{}, {{LeaseId(6), 20, 1}}}, BlockTiling::Make(Task()).value()).value().at(0);
  retry.attempt = 2;
  work.blocks = {retry};
  const auto expected = Unfold(work, BlockTiling::Make(Task()).value()).value();
  ASSERT_TRUE(stock.Add(work).ok());
  EXPECT_EQ(stock.size(), 5u);
  std::vector<LeasedBlock> taken;
  while (!stock.empty()) taken.push_back(stock.TakeFirst());
  EXPECT_EQ(taken, expected);
}

TEST(Stock, KeepsWhatIsOursAndTakesNoRunsWithoutAGrid) {
  Stock stock;
  ASSERT_TRUE(stock.SetGrid(Grid()).ok());
  ASSERT_TRUE(stock.Add(WorkMsg{{}, {{LeaseId(1), 0, 10}}}).ok());
  EXPECT_FALSE(stock.Add(WorkMsg{{}, {{LeaseId(11), 295, 10}}}).ok());
  EXPECT_EQ(stock.size(), 10u);
  stock.KeepOnly({LeaseId(2), LeaseId(3), LeaseId(9)});
  std::vector<HeldLease> held;
  stock.AppendTo(&held);
  EXPECT_EQ(held,
            (std::vector<HeldLease>{{LeaseId(2), 1, 1}, {LeaseId(3), 2, 1}, {LeaseId(9), 8, 1}}));
  ASSERT_TRUE(stock.SetGrid(std::nullopt).ok());
  EXPECT_FALSE(stock.takes_runs());
  const LeasedBlock first = stock.TakeFirst();
  EXPECT_EQ(first.index, 1u);
  EXPECT_EQ(first.write, BlockTiling::Make(Task())->WriteRoi({0, 1}));
  EXPECT_FALSE(stock.Add(WorkMsg{{}, {{LeaseId(20), 0, 1}}}).ok());
}

/// Hands out the blocks of Task() in runs, and then says leave.
FakeBroker::Handler HandOutInRuns(uint64_t blocks) {
  struct State {
    uint64_t next = 0;
    uint64_t released = 0;
  };
  auto state = std::make_shared<State>();
  return [=](FakeBroker& broker, const FakeBroker::Peer& peer, const Message& message) {
    uint32_t want = 0;
    if (std::holds_alternative<HelloMsg>(message)) {
      WelcomeMsg welcome{1, "fake", "job-1", "t", WorkerId(1)};
      welcome.grid = Grid();
      broker.Send(peer, welcome);
    } else if (const auto* acquire = std::get_if<AcquireMsg>(&message)) {
      want = acquire->want;
    } else if (const auto* release = std::get_if<ReleaseMsg>(&message)) {
      want = release->want;
      state->released += release->results.size();
      for (const LeaseRun& run : release->runs) state->released += run.count;
    }
    const auto count = static_cast<uint32_t>(std::min<uint64_t>(want, blocks - state->next));
    if (count > 0) {
      broker.Send(peer, WorkMsg{{}, {{LeaseId(state->next + 1), state->next, count}}});
      state->next += count;
    }
    if (state->released == blocks) broker.Send(peer, LeaveMsg{"done"});
  };
}

TEST(WorkerInRuns, WorksOnEachBlockAndHandsThemInAsRuns) {
  FakeBroker broker(HandOutInRuns(30));
  WorkerOptions options;
  options.endpoint = broker.endpoint();
  options.heartbeat_ms = 0;
  Worker worker(options);
  const BlockTiling tiling = BlockTiling::Make(Task()).value();
  BlockIndex next = 0;
  worker.Run([&](const Block& block) {
    EXPECT_EQ(block.index(), next++);
    const GridPoint k = tiling.PointOf(block.index());
    EXPECT_EQ(block.id(), tiling.IdOf(k));
    EXPECT_EQ(block.read_roi(), tiling.ReadRoi(k));
    EXPECT_EQ(block.write_roi(), tiling.WriteRoi(k));
  });
  EXPECT_EQ(next, 30u);
  EXPECT_TRUE(broker.All<HelloMsg>().at(0).runs);
  uint64_t singly = 0;
  for (const ReleaseMsg& release : broker.All<ReleaseMsg>()) singly += release.results.size();
  EXPECT_EQ(singly, 0u);
}

TEST(WorkerInRuns, SendsAResultThoughNoOtherBlockIsAskedFor) {
  FakeBroker broker(HandOutInRuns(300));
  WorkerOptions options;
  options.endpoint = broker.endpoint();
  options.heartbeat_ms = 0;
  Worker worker(options);
  uint64_t taken = 0;
  for (; taken < 200; ++taken) {
    if (!worker.Acquire()) break;
  }
  const auto released = [&broker] {
    uint64_t all = 0;
    for (const ReleaseMsg& release : broker.All<ReleaseMsg>()) {
      for (const LeaseRun& run : release.runs) all += run.count;
    }
    return all;
  };
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (released() < taken && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_EQ(released(), taken) << "while this thread does something else";
}

// A worker that ends while a thread waits for more results of a run, or at any other moment.
TEST(WorkerInRuns, EndsWheneverItIsTold) {
  for (int delay_ms = 0; delay_ms < 40; delay_ms += 2) {
    FakeBroker broker(HandOutInRuns(300));
    WorkerOptions options;
    options.endpoint = broker.endpoint();
    options.heartbeat_ms = 0;
    Worker worker(options);
    const auto begun = std::chrono::steady_clock::now();
    for (int taken = 0; taken < 250 && worker.Acquire(); ++taken) {
      // The blocks take longer together than the thread waits before it looks.
      std::this_thread::sleep_until(begun + taken * std::chrono::microseconds(120));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(delay_ms));
  }
}

}  // namespace
}  // namespace bellis
