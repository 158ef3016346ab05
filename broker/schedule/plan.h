#pragma once

// The plan of a job, before anything runs: its blocks, levels, width, length and memory, and
// whether its blocks share chunks of the storage. Pure; opens nothing, needs no broker.
//
// The numbers are found in one of two ways; Plan::exact says which:
//
//   played up to kPlayBlocksMax blocks: the real scheduler plays the job through (playthrough.h)
//   arithmetic for more blocks: from the counts per dimension, for any grid; if the result is a
//   bound and not the exact number, the field's comment says so
//
// The arithmetic. With n blocks and stride s in a dimension, ceil((n - o) / s) blocks have the
// offset o; a level's size is the product over the dimensions. A window of s blocks in every
// dimension holds one block of each level, and these blocks wait for one another in a chain. Hence
//
//   longest chain in a task   = its number of levels
//   most blocks at once       = product of ceil(n / s): no window holds two (level of offset 0)
//
// Both numbers are exact for one task without a mask, and upper bounds for a task with a mask.
// Across tasks, the chains add up along the longest path, and the blocks at once add up over all
// tasks; both sums are upper bounds. In exclusive mode the first number is how long greedy workers
// need at most: while a block waits, one of the product of (2s - 1) blocks around it runs.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bellis/job_spec.h"
#include "bellis/result.h"
#include "broker/schedule/chunk_sharing.h"
#include "broker/schedule/dependency_graph.h"

namespace bellis {

/// Levels that have the same number of blocks.
struct LevelSize {
  uint64_t first_level = 0;  // the lowest of these levels
  uint64_t levels = 0;       // how many
  uint64_t blocks = 0;       // in each
  bool operator==(const LevelSize&) const = default;
};

/// How many blocks of an upstream task one block reads. Along a dimension of more than 4,096
/// blocks, only some positions are looked at: both ends, where the upstream task begins and ends,
/// and the middle.
struct UpstreamReads {
  std::string task_id;
  uint64_t min = 0;
  uint64_t typical = 0;  // in the middle of the grid
  uint64_t max = 0;
  bool exact = true;  // false: only some positions were looked at
};

/// The broker's memory for the blocks, in bytes: their states, the queue of ready blocks, and the
/// watches. This is the part of the job's memory that grows with the grid.
struct PlanMemory {
  /// The memory if all workers are equally fast and nothing fails.
  uint64_t expected = 0;
  /// A bound that holds however slow some workers are, and in whatever order blocks end.
  uint64_t at_most = 0;
};

struct TaskPlan {
  std::string task_id;
  std::vector<int64_t> grid;  // blocks per dimension
  uint64_t blocks = 0;
  std::optional<std::string> why_no_blocks;  // in words; nullopt when the task has blocks
  uint64_t masked = 0;                       // always exact
  Conflict conflict = Conflict::kNone;
  Order order = Order::kDeepest;
  bool has_mask = false;

  uint64_t num_levels = 0;           // 1 where there is no order
  std::vector<int64_t> strides;      // of the levels, in blocks, per dimension
  std::vector<LevelSize> levels;     // by first_level
  bool levels_count_masked = false;  // arithmetic ignores the mask

  /// No more blocks than this can run at once, however long each takes.
  uint64_t at_once_max = 0;
  /// With equal block times: the blocks in the biggest round. Not played: as at_once_max.
  uint64_t widest = 0;
  /// The longest chain of the task's own blocks that wait for one another; an upper bound when
  /// `critical_path_exact` is false.
  uint64_t critical_path = 0;
  bool critical_path_exact = false;
  /// The rounds of the job in which the task runs, from 1; 0 when not played, or without blocks.
  uint64_t first_round = 0;
  uint64_t last_round = 0;

  std::vector<UpstreamReads> upstream;
  uint64_t num_workers = 0;              // declared
  std::optional<uint32_t> max_failures;  // as the task says
  bool external_workers = false;
  PlanMemory memory;
  std::optional<ChunkSharing> chunks;  // nullopt: no chunk_shape declared

  /// How many of the declared workers can never get a block, because the others have all blocks
  /// that may run at once.
  uint64_t idle_workers() const {
    return num_workers > at_once_max && blocks > masked ? num_workers - at_once_max : 0;
  }
};

struct Plan {
  std::string name;
  bool serial = false;  // the job runs one block at a time, even if more could run
  bool exact = false;   // played through; false: arithmetic
  uint64_t blocks_played = 0;
  std::vector<TaskPlan> tasks;

  uint64_t blocks = 0;
  uint64_t masked = 0;
  uint64_t at_once_max = 0;    // the sum over the tasks
  uint64_t widest = 0;         // not played: as at_once_max
  uint64_t critical_path = 0;  // in blocks; not played: an upper bound
  PlanMemory memory;

  bool has_chunk_errors() const;
  /// Whether some task is exclusive: then the number of rounds depends on the order.
  bool has_exclusive() const;
};

/// The broker's memory for the blocks of the job if nothing is slow: the sum of
/// PlanMemory::expected, by arithmetic. `graph` is the job's graph.
uint64_t ExpectedMemory(const JobSpec& job, const DependencyGraph& graph);

/// Jobs of more blocks with work than this are not played.
inline constexpr uint64_t kPlayBlocksMax = 2'000'000;

/// Requires a job that passed ValidateJob, its masks read. Errors (kInvalidSpec): those of
/// BlockGrid::Make and RootSet::Make, in the words of the broker's answer.
/// If a play finds nothing to do although blocks are left, the numbers come from arithmetic.
/// Cost: played, about a microsecond a block; else O(tasks + edges), and the masks' voxels.
Result<Plan> MakePlan(const JobSpec& job, uint64_t play_blocks_max = kPlayBlocksMax);

}  // namespace bellis
