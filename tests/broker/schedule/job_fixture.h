#pragma once

// A small vocabulary for tests of schedules: tasks in few words, a graph with its frontier.

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "bellis/job_spec.h"
#include "broker/schedule/dependency_graph.h"
#include "broker/schedule/frontier.h"

namespace bellis::test {

/// A task of `blocks` blocks in one dimension, each `w` long, with `context` on both sides.
inline TaskSpec Line(const std::string& id, int64_t blocks, int64_t context = 0, int64_t w = 10) {
  TaskSpec task;
  task.task_id = id;
  task.total_roi = Roi({-context}, {blocks * w + 2 * context});
  task.read_roi = Roi({-context}, {w + 2 * context});
  task.write_roi = Roi({0}, {w});
  task.external_workers = true;
  return task;
}

/// A graph and its frontier, kept together.
struct Schedule {
  JobSpec job;
  std::unique_ptr<DependencyGraph> graph;
  std::unique_ptr<Frontier> frontier;

  explicit Schedule(JobSpec spec, Order order = Order::kFifo, FrontierLimits limits = {})
      : job(std::move(spec)) {
    auto made = DependencyGraph::Make(job);
    if (!made.ok()) throw std::runtime_error(made.error().message);
    graph = std::make_unique<DependencyGraph>(std::move(*made));
    auto front = Frontier::Make(graph.get(), std::vector<Order>(job.tasks.size(), order), limits);
    if (!front.ok()) throw std::runtime_error(front.error().message);
    frontier = std::make_unique<Frontier>(std::move(*front));
  }

  CantorId id(BlockRef block) const {
    const BlockGrid& grid = graph->grid(block.task);
    return grid.IdOf(grid.PointOf(block.block));
  }

  /// Leases the head of a task's queue.
  std::optional<BlockRef> Take(TaskIndex task) {
    const auto block = frontier->Pop(task);
    if (!block) return std::nullopt;
    frontier->Lease({task, *block});
    return BlockRef{task, *block};
  }

  /// Completes all blocks in the order of SEMANTICS "Serial order".
  std::vector<BlockRef> RunSerially() {
    std::vector<BlockRef> order;
    for (TaskIndex t = 0; t < job.tasks.size();) {
      if (const auto block = Take(t)) {
        order.push_back(*block);
        frontier->Complete(*block);
        while (frontier->Work(1 << 20)) {
        }
        t = 0;
      } else {
        ++t;
      }
    }
    return order;
  }
};

}  // namespace bellis::test
