#pragma once

// Plays a job through without workers: runs the real frontier in rounds of one block time. In each
// round all ready blocks are leased (or as many as there are workers), then all are completed.
//
//     round 1   2   3          level 0, level 1, ..: with unlimited workers, the number of rounds
//      o o o   . o .   ...     is the longest chain of blocks that wait for one another, and the
//      o o o   . o .           size of the biggest round is how many can run at once
//
// For plans (plan.h) and tests; the broker itself never plays.

#include <cstdint>
#include <vector>

#include "bellis/job_spec.h"
#include "bellis/result.h"
#include "broker/schedule/dependency_graph.h"

namespace bellis {

struct Playthrough {
  struct Task {
    uint64_t widest = 0;       // blocks in its biggest round
    uint64_t first_round = 0;  // from 1; 0 when the task has no blocks to work on
    uint64_t last_round = 0;
  };
  /// False: some round found nothing to do although blocks were left. Then the other numbers are
  /// useless.
  bool finished = false;
  uint64_t rounds = 0;
  uint64_t widest = 0;        // blocks of all tasks in the biggest round
  uint64_t bytes_peak = 0;    // the largest Frontier::bytes() seen
  uint64_t blocks = 0;        // leased in all
  std::vector<Task> tasks{};  // as in the job
};

/// Plays `graph` with `workers[t]` workers for task t; blocks of a task are taken in its `orders`.
/// The number of rounds depends on the order if a task is exclusive, or if workers are few. Errors:
/// those of Frontier::Make. Cost: at most a microsecond a block; memory for the largest round.
Result<Playthrough> Play(const DependencyGraph& graph, const std::vector<Order>& orders,
                         const std::vector<uint64_t>& workers);

}  // namespace bellis
