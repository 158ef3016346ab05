// Acquire + complete in the scheduler alone, one thread, no sockets: blocks a second, and memory.
//
//     core_bench [million blocks to run per case, default 2]

#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <string>
#include <vector>

#include "broker/core/dependency_graph.h"
#include "broker/core/frontier.h"

namespace {

using namespace bellis;
using Clock = std::chrono::steady_clock;

double Seconds(Clock::time_point since) {
  return std::chrono::duration<double>(Clock::now() - since).count();
}

TaskSpec Cube(const std::string& id, int rank, int64_t blocks, int64_t w, int64_t context,
              bool conflict) {
  TaskSpec task;
  task.task_id = id;
  const Coordinate lo = Coordinate::Filled(rank, -context);
  task.total_roi = Roi(lo, Coordinate::Filled(rank, blocks * w + 2 * context));
  task.read_roi = Roi(lo, Coordinate::Filled(rank, w + 2 * context));
  task.write_roi = Roi(Coordinate::Filled(rank, 0), Coordinate::Filled(rank, w));
  task.read_write_conflict = conflict ? Conflict::kOrdered : Conflict::kNone;
  task.external_workers = true;
  return task;
}

/// Runs up to `blocks` blocks with 64 leased at a time, the oldest completing first.
void Run(const char* name, const JobSpec& job, uint64_t blocks) {
  const auto start = Clock::now();
  auto graph = DependencyGraph::Make(job);
  if (!graph.ok()) {
    std::printf("%-44s %s\n", name, graph.error().message.c_str());
    return;
  }
  auto frontier = Frontier::Make(&*graph, std::vector<Order>(job.tasks.size(), Order::kDeepest));
  uint64_t total = 0;
  for (TaskIndex t = 0; t < job.tasks.size(); ++t) total += graph->grid(t).num_blocks();
  std::deque<BlockRef> held;
  uint64_t done = 0;
  double first_ms = 0;
  const auto run_start = Clock::now();
  while (done < blocks) {
    for (TaskIndex t = static_cast<TaskIndex>(job.tasks.size()); t-- > 0;) {
      while (held.size() < 64) {
        const auto block = frontier->Pop(t);
        if (!block) break;
        frontier->Lease({t, *block});
        held.push_back({t, *block});
        if (first_ms == 0) first_ms = Seconds(start) * 1e3;
      }
    }
    if (held.empty()) {
      if (!frontier->Work(1 << 16)) break;
      continue;
    }
    frontier->Complete(held.front());
    held.pop_front();
    frontier->ClearTouched();
    if (frontier->has_work()) frontier->Work(Frontier::kInlineWork);
    ++done;
  }
  const double seconds = Seconds(run_start);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::printf("%-44s %12llu %12llu %10.3f ms %12.0f /s %8.1f MB\n", name,
              static_cast<unsigned long long>(total), static_cast<unsigned long long>(done),
              first_ms, static_cast<double>(done) / seconds,
              static_cast<double>(frontier->bytes()) / 1e6);
}

JobSpec Single(const TaskSpec& task) {
  JobSpec job;
  job.tasks = {task};
  return job;
}

}  // namespace

int main(int argc, char** argv) {
  const auto blocks = static_cast<uint64_t>((argc > 1 ? std::atof(argv[1]) : 2.0) * 1e6);
  std::printf("%-44s %12s %12s %13s %15s %11s\n", "scheduler alone, one thread", "grid", "run",
              "first block", "rate", "state");
  Run("1-D, no conflict", Single(Cube("a", 1, 1'000'000'000, 10, 2, false)), blocks);
  Run("3-D, no conflict", Single(Cube("a", 3, 1000, 10, 2, false)), blocks);
  Run("3-D, conflict (8 levels)", Single(Cube("a", 3, 1000, 10, 2, true)), blocks);
  Run("4-D, conflict (16 levels)", Single(Cube("a", 4, 100, 10, 2, true)), blocks);
  JobSpec chain;
  chain.tasks = {Cube("a", 3, 1000, 10, 0, false), Cube("b", 3, 1000, 10, 2, false)};
  chain.tasks[1].upstream = {"a"};
  Run("two chained tasks, 3-D, 27 upstream a block", chain, blocks);
  chain.tasks = {Cube("a", 3, 1000, 10, 0, false), Cube("b", 3, 100, 100, 0, false)};
  chain.tasks[1].upstream = {"a"};
  Run("chained, downstream blocks 10x as large", chain, blocks);
  chain.tasks = {Cube("a", 3, 100, 100, 0, false), Cube("b", 3, 1000, 10, 0, false)};
  chain.tasks[1].upstream = {"a"};
  Run("chained, downstream blocks 10x as small", chain, blocks);
}
