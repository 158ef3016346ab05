#include "broker/schedule/plan.h"

#include <algorithm>
#include <map>

#include "broker/schedule/frontier.h"
#include "broker/schedule/plan_memory.h"
#include "broker/schedule/playthrough.h"
#include "broker/schedule/schedule_build.h"
#include "common/geometry/checked.h"
#include "common/geometry/wide.h"
#include "common/task/no_blocks.h"
#include "common/task/orders.h"
#include "common/task/tiling.h"

namespace bellis {
namespace {

constexpr int64_t kPositionsLookedAt = 4096;  // along one dimension
// The number of workers to assume for a task with external workers.
constexpr uint64_t kExternalWorkersGuess = 64;

uint64_t Capped(UInt128 value) {
  return value > UINT64_MAX ? UINT64_MAX : static_cast<uint64_t>(value);
}

uint64_t CappedSum(uint64_t a, uint64_t b) { return Capped(UInt128{a} + b); }

// ---- levels ----

void Count(uint64_t level, uint64_t levels, uint64_t blocks, std::map<uint64_t, LevelSize>* sizes) {
  LevelSize& size = sizes->try_emplace(blocks, LevelSize{level, 0, blocks}).first->second;
  size.first_level = std::min(size.first_level, level);
  size.levels += levels;
}

std::vector<LevelSize> InOrder(const std::map<uint64_t, LevelSize>& sizes) {
  std::vector<LevelSize> levels;
  levels.reserve(sizes.size());
  for (const auto& [blocks, size] : sizes) levels.push_back(size);
  std::sort(levels.begin(), levels.end(),
            [](const LevelSize& a, const LevelSize& b) { return a.first_level < b.first_level; });
  return levels;
}

/// Along a dimension of n blocks and stride s, offsets below n mod s have one block more than the
/// others. So there are at most two sizes per dimension, and 2^rank products.
std::vector<LevelSize> LevelsByArithmetic(const BlockGrid& grid, const ConflictLevels& levels) {
  std::map<uint64_t, LevelSize> sizes;
  if (grid.num_blocks() == 0) return {};
  const auto rank = static_cast<size_t>(grid.rank());
  for (uint32_t corner = 0; corner < (1u << rank); ++corner) {
    uint64_t count = 1;
    uint64_t blocks = 1;
    GridPoint last{};  // the last offsets come first
    for (size_t d = 0; d < rank; ++d) {
      const int64_t s = levels.strides()[d];
      const int64_t n = grid.counts()[d];
      const bool more = (corner >> d & 1) != 0;
      count *= static_cast<uint64_t>(more ? n % s : s - n % s);
      blocks *= static_cast<uint64_t>(n / s + (more ? 1 : 0));
      last[d] = more ? n % s - 1 : s - 1;
    }
    if (count > 0) Count(levels.LevelOf(last), count, blocks, &sizes);
  }
  return InOrder(sizes);
}

/// Counts block by block, without the masked blocks.
std::vector<LevelSize> LevelsByCounting(const BlockGrid& grid, const ConflictLevels& levels,
                                        const BlockMask& mask) {
  std::map<uint64_t, uint64_t> blocks_of;  // by level
  for (auto at = mask.First(0, grid.num_blocks()); at;
       at = mask.First(*at + 1, grid.num_blocks())) {
    ++blocks_of[levels.LevelOf(grid.PointOf(*at))];
  }
  std::map<uint64_t, LevelSize> sizes;
  for (const auto& [level, blocks] : blocks_of) Count(level, 1, blocks, &sizes);
  return InOrder(sizes);
}

// ---- width and length of one task ----

/// How far a block excludes others along `dim`, in blocks, plus one; at most the grid. `shorter`:
/// counted on the side with less context.
int64_t Reach(const TaskSpec& task, const BlockGrid& grid, int dim, bool shorter) {
  const int64_t count = grid.counts()[static_cast<size_t>(dim)];
  if (task.read_write_conflict == Conflict::kNone) return std::min<int64_t>(1, count);
  int64_t reach = grid.ConflictReach(dim);
  if (shorter) {
    const int64_t lo = ContextBefore(task)[dim];
    const int64_t hi = ContextBehind(task)[dim];
    reach = CeilDiv(std::min(lo, hi), task.write_roi.shape()[dim]) + 1;
  }
  return std::min(reach, count);
}

uint64_t AtOnceMax(const TaskSpec& task, const BlockGrid& grid, uint64_t working) {
  if (working == 0) return 0;
  // Any two blocks of a window that is `reach` wide exclude each other. Where the context below and
  // above differ, this is certain for exclusive blocks only if the window is no wider than the
  // shorter reach in all dimensions but one. Try each choice of that dimension, and take the best.
  const bool exclusive = task.read_write_conflict == Conflict::kExclusive;
  uint64_t best = UINT64_MAX;
  for (int wide = 0; wide < grid.rank(); ++wide) {
    UInt128 windows = 1;
    for (int dim = 0; dim < grid.rank(); ++dim) {
      const int64_t reach = Reach(task, grid, dim, exclusive && dim != wide);
      windows *= static_cast<uint64_t>(CeilDiv(grid.counts()[static_cast<size_t>(dim)], reach));
    }
    best = std::min(best, Capped(windows));
  }
  return std::min(best, working);
}

uint64_t LongestChain(const TaskSpec& task, const BlockGrid& grid, uint64_t levels,
                      uint64_t working) {
  if (task.read_write_conflict != Conflict::kExclusive) return std::min(levels, working);
  UInt128 around = 1;
  for (int dim = 0; dim < grid.rank(); ++dim) {
    around = std::min<UInt128>(
        working, around * static_cast<uint64_t>(2 * Reach(task, grid, dim, false) - 1));
  }
  return Capped(std::min<UInt128>(around, working));
}

// ---- what a block reads upstream ----

/// The positions along one dimension to look at.
std::vector<int64_t> Positions(int64_t count, int64_t depend_lo, int64_t depend_hi) {
  std::vector<int64_t> positions;
  if (count <= kPositionsLookedAt) {
    for (int64_t k = 0; k < count; ++k) positions.push_back(k);
    return positions;
  }
  const int64_t around = kPositionsLookedAt / 16;
  for (const int64_t centre :
       {int64_t{0}, depend_lo, depend_lo + (depend_hi - depend_lo) / 2, depend_hi, count - 1}) {
    const int64_t end = std::min(count, centre + around);
    for (int64_t k = std::max<int64_t>(0, centre - around); k < end; ++k) positions.push_back(k);
  }
  return positions;
}

/// Counts per dimension: a block reads a box of upstream blocks, and the extent of the box along a
/// dimension depends only on the block's position along that dimension.
UpstreamReads ReadsOf(const DependencyGraph& graph, TaskIndex task, size_t ordinal) {
  UpstreamReads reads;
  reads.min = reads.max = 1;
  const GridBox whole = graph.grid(task).whole();
  const GridBox depend = graph.DependentBox(task, ordinal);
  if (whole.empty() || depend.empty()) return {};
  GridPoint middle{};
  for (size_t d = 0; d < static_cast<size_t>(whole.rank); ++d) {
    middle[d] = depend.lo[d] + (depend.hi[d] - depend.lo[d]) / 2;
  }
  reads.typical = graph.UpstreamBox(task, ordinal, middle).size();
  for (size_t d = 0; d < static_cast<size_t>(whole.rank); ++d) {
    uint64_t min = UINT64_MAX;
    uint64_t max = 0;
    GridPoint k = middle;
    reads.exact &= whole.hi[d] <= kPositionsLookedAt;
    for (const int64_t position : Positions(whole.hi[d], depend.lo[d], depend.hi[d])) {
      k[d] = position;
      const GridBox box = graph.UpstreamBox(task, ordinal, k);
      const uint64_t extent = box.empty() ? 0 : static_cast<uint64_t>(box.hi[d] - box.lo[d]);
      min = std::min(min, extent);
      max = std::max(max, extent);
    }
    reads.min *= min;
    reads.max *= max;
  }
  return reads;
}

// ---- the job ----

uint64_t WorkersOf(const TaskSpec& task) {
  const uint64_t workers = std::max<uint64_t>(task.num_workers(), task.min_workers);
  return workers == 0 ? kExternalWorkersGuess : workers;
}

TaskPlan PlanTask(const TaskSpec& task, const DependencyGraph& graph, TaskIndex index) {
  const BlockGrid& grid = graph.grid(index);
  const ConflictLevels& levels = graph.levels(index);
  const BlockMask* mask = graph.mask(index);
  TaskPlan plan;
  plan.task_id = task.task_id;
  plan.why_no_blocks = WhyNoBlocks(task);
  for (size_t d = 0; d < static_cast<size_t>(grid.rank()); ++d) {
    plan.grid.push_back(grid.counts()[d]);
    plan.strides.push_back(grid.num_blocks() == 0 ? 0 : levels.strides()[d]);
  }
  plan.blocks = grid.num_blocks();
  plan.masked = mask == nullptr ? 0 : mask->masked_blocks();
  plan.conflict = task.read_write_conflict;
  plan.order = task.order;
  plan.has_mask = mask != nullptr;
  plan.num_levels = levels.num_levels();
  plan.levels = LevelsByArithmetic(grid, levels);
  plan.levels_count_masked = plan.masked > 0;
  const uint64_t working = plan.blocks - plan.masked;
  plan.at_once_max = AtOnceMax(task, grid, working);
  plan.widest = plan.at_once_max;
  plan.critical_path = LongestChain(task, grid, plan.num_levels, working);
  plan.critical_path_exact =
      plan.conflict == Conflict::kNone || (plan.conflict == Conflict::kOrdered && plan.masked == 0);
  for (size_t i = 0; i < graph.upstream(index).size(); ++i) {
    plan.upstream.push_back(ReadsOf(graph, index, i));
    plan.upstream.back().task_id = task.upstream[i];
  }
  plan.num_workers = task.num_workers();
  plan.max_failures = task.max_failures;
  plan.external_workers = task.external_workers;
  plan.memory = EstimateMemory(graph, index, task.order, WorkersOf(task));
  if (task.chunk_shape.rank() > 0) plan.chunks = FindChunkSharing(task, grid);
  return plan;
}

/// The longest path through the tasks, where each task counts as long as its own longest chain.
uint64_t LongestPath(const DependencyGraph& graph, const std::vector<TaskPlan>& tasks) {
  std::vector<uint64_t> ends(tasks.size());
  std::vector<size_t> missing(tasks.size());
  std::vector<TaskIndex> next;
  for (TaskIndex t = 0; t < tasks.size(); ++t) {
    missing[t] = graph.upstream(t).size();
    if (missing[t] == 0) next.push_back(t);
  }
  uint64_t longest = 0;
  while (!next.empty()) {
    const TaskIndex t = next.back();
    next.pop_back();
    ends[t] = CappedSum(ends[t], tasks[t].critical_path);
    longest = std::max(longest, ends[t]);
    for (const TaskIndex down : graph.downstream(t)) {
      ends[down] = std::max(ends[down], ends[t]);
      if (--missing[down] == 0) next.push_back(down);
    }
  }
  return longest;
}

/// The longest chain of one task alone. It is played through, since arithmetic gives only a bound.
Result<uint64_t> PlayAlone(const TaskSpec& task) {
  JobSpec alone;
  alone.tasks = {task};
  alone.tasks[0].upstream.clear();
  const Result<DependencyGraph> graph = DependencyGraph::Make(alone);
  if (!graph.ok()) return graph.error();
  const Result<Playthrough> play = Play(*graph, {task.order}, {UINT64_MAX});
  if (!play.ok()) return play.error();
  return play->finished ? play->rounds : uint64_t{0};
}

/// Replaces the bounds that arithmetic gave by exact numbers. False, changing nothing, when the
/// play did not come to its end.
Result<bool> PlayPlan(const JobSpec& job, const DependencyGraph& graph, Plan* plan) {
  const std::vector<Order> orders = OrdersOf(job);
  const std::vector<uint64_t> unlimited(job.tasks.size(), UINT64_MAX);
  const Result<Playthrough> play = Play(graph, orders, unlimited);
  if (!play.ok()) return play.error();
  if (!play->finished) return false;
  plan->exact = true;
  plan->blocks_played = play->blocks;
  plan->widest = play->widest;
  plan->critical_path = play->rounds;
  for (TaskIndex t = 0; t < job.tasks.size(); ++t) {
    TaskPlan& task = plan->tasks[t];
    task.widest = play->tasks[t].widest;
    task.first_round = play->tasks[t].first_round;
    task.last_round = play->tasks[t].last_round;
    if (task.levels_count_masked) {
      task.levels = LevelsByCounting(graph.grid(t), graph.levels(t), *graph.mask(t));
      task.levels_count_masked = false;
    }
    if (task.critical_path_exact) continue;
    const Result<uint64_t> rounds = job.tasks.size() == 1 ? play->rounds : PlayAlone(job.tasks[t]);
    if (!rounds.ok()) return rounds.error();
    if (*rounds == 0) continue;
    task.critical_path = *rounds;
    task.critical_path_exact = task.conflict != Conflict::kExclusive;
  }
  std::vector<uint64_t> workers;
  for (const TaskSpec& task : job.tasks) workers.push_back(WorkersOf(task));
  const Result<Playthrough> paced = Play(graph, orders, workers);
  if (!paced.ok()) return paced.error();
  if (paced->finished) plan->memory.expected = paced->bytes_peak;
  return true;
}

}  // namespace

bool Plan::has_chunk_errors() const {
  return std::any_of(tasks.begin(), tasks.end(), [](const TaskPlan& task) {
    return task.chunks && task.chunks->sharing == Sharing::kAtOnce;
  });
}

bool Plan::has_exclusive() const {
  return std::any_of(tasks.begin(), tasks.end(),
                     [](const TaskPlan& task) { return task.conflict == Conflict::kExclusive; });
}

uint64_t ExpectedMemory(const JobSpec& job, const DependencyGraph& graph) {
  uint64_t bytes = 0;
  for (TaskIndex t = 0; t < job.tasks.size(); ++t) {
    const TaskSpec& task = job.tasks[t];
    bytes = CappedSum(bytes, EstimateMemory(graph, t, task.order, WorkersOf(task)).expected);
  }
  return bytes;
}

Result<Plan> MakePlan(const JobSpec& job, uint64_t play_blocks_max) {
  const Result<Graph> graph_made = BuildGraph(job, UINT64_MAX);
  if (!graph_made.ok()) return graph_made.error();
  const DependencyGraph* graph = graph_made->get();
  Plan plan;
  plan.name = job.name;
  plan.serial = job.serial;
  for (TaskIndex t = 0; t < job.tasks.size(); ++t) {
    plan.tasks.push_back(PlanTask(job.tasks[t], *graph, t));
    const TaskPlan& task = plan.tasks.back();
    plan.blocks = CappedSum(plan.blocks, task.blocks);
    plan.masked = CappedSum(plan.masked, task.masked);
    plan.at_once_max = CappedSum(plan.at_once_max, task.at_once_max);
    plan.memory.expected = CappedSum(plan.memory.expected, task.memory.expected);
    plan.memory.at_most = CappedSum(plan.memory.at_most, task.memory.at_most);
  }
  plan.widest = plan.at_once_max;
  plan.critical_path = LongestPath(*graph, plan.tasks);
  if (plan.blocks - plan.masked > play_blocks_max) {
    // Refuses here any job that the broker would refuse.
    const auto frontier = BuildFrontier(*graph, job, nullptr);
    if (!frontier.ok()) return frontier.error();
    return plan;
  }
  const Result<bool> played = PlayPlan(job, *graph, &plan);
  if (!played.ok()) return played.error();
  return plan;
}

}  // namespace bellis
