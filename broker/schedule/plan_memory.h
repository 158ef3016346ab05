#pragma once

// Estimates how much memory a task's blocks take in the broker, from the data structures: pages of
// block states (block_states.h), the heap of ready blocks (ready_queue.h), watches (watch_list.h).

#include <cstdint>

#include "broker/schedule/dependency_graph.h"
#include "broker/schedule/plan.h"

namespace bellis {

/// `at_most`: every page of states is open, and every block that does not follow from arithmetic
/// is either queued or watching; both cost 48 bytes.
/// `expected`: all workers are equally fast and nothing fails, so blocks end about in the order in
/// which they begin. Then the open pages are those of a few slabs of the grid: as many slabs as a
/// period of the levels takes, along the slowest dimension that has more than one level. Few
/// blocks are queued, except for those that an upstream task releases a slab at a time.
/// plan_test.cc checks `expected` against Frontier::bytes(): one to ten times the measured memory.
/// Requires `workers` >= 1, of this task. Cost: O(rank + upstream tasks).
PlanMemory EstimateMemory(const DependencyGraph& graph, TaskIndex task, Order order,
                          uint64_t workers);

}  // namespace bellis
