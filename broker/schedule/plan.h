#pragma once

// What a job will be, before anything runs: its blocks, levels, width, length, memory, and whether
// its blocks get in each other's way in the storage. Pure; opens nothing, needs no broker.
//
// Two ways to the numbers, which Plan::exact tells apart:
//
//   played      up to kPlayBlocksMax blocks: the real scheduler plays the job (playthrough.h)
//   arithmetic  above: from the counts per dimension, whatever the grid; where that gives a bound
//               and not the number, the field says which
//
// The arithmetic. With n blocks and stride s in a dimension, ceil((n - o) / s) blocks have the
// offset o; a level's size is the product over the dimensions. A window of s blocks in every
// dimension holds one block of each level, and they wait for one another in a chain. Hence
//
//   longest chain in a task   = its number of levels
//   most blocks at once       = product of ceil(n / s): no window holds two (level of offset 0)
//
// Both are exact for one task without a mask, and upper bounds with one; across tasks, chains add
// up along the longest path, and what runs at once adds up over all tasks: upper bounds. In
// exclusive mode the first is how long greedy workers need at most: while a block waits, one of
// the product of (2s - 1) blocks around it runs.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "broker/schedule/chunk_sharing.h"
#include "broker/schedule/dependency_graph.h"
#include "common/result.h"
#include "common/task/job_spec.h"

namespace bellis {

/// Levels that have the same number of blocks.
struct LevelSize {
  uint64_t first_level = 0;  // the lowest of them
  uint64_t levels = 0;       // how many
  uint64_t blocks = 0;       // in each
  bool operator==(const LevelSize&) const = default;
};

/// How many blocks of an upstream task one block reads. Where there are more than 4,096 blocks
/// along a dimension, it is looked at in places: at both ends, where the upstream task begins and
/// ends, and in the middle.
struct UpstreamReads {
  std::string task_id;
  uint64_t min = 0;
  uint64_t typical = 0;  // in the middle of the grid
  uint64_t max = 0;
  bool exact = true;  // false: looked at in places
};

/// What the broker keeps for the blocks: their states, the queue of ready blocks, and who watches
/// whom, in bytes. Of the job's whole memory this is the part that grows with the grid.
struct PlanMemory {
  /// If all its workers are equally fast and nothing fails.
  uint64_t expected = 0;
  /// Whatever is slow, and in whatever order blocks end.
  uint64_t at_most = 0;
};

struct TaskPlan {
  std::string task_id;
  std::vector<int64_t> grid;  // blocks per dimension
  uint64_t blocks = 0;
  std::optional<std::string> why_no_blocks;  // in words; none: it has some
  uint64_t masked = 0;                       // exact, always
  Conflict conflict = Conflict::kNone;
  Order order = Order::kDeepest;
  bool has_mask = false;

  uint64_t num_levels = 0;           // 1 where there is no order
  std::vector<int64_t> strides;      // of the levels, in blocks, per dimension
  std::vector<LevelSize> levels;     // by first_level
  bool levels_count_masked = false;  // arithmetic ignores the mask

  /// No more blocks than this can run at once, however long each takes.
  uint64_t at_once_max = 0;
  /// With equal block times: in the biggest round. Not played: as at_once_max.
  uint64_t widest = 0;
  /// The longest chain of its own blocks that wait for one another. `critical_path_exact` false:
  /// at most.
  uint64_t critical_path = 0;
  bool critical_path_exact = false;
  /// In which rounds of the job it runs, from 1; 0 when not played, or without blocks.
  uint64_t first_round = 0;
  uint64_t last_round = 0;

  std::vector<UpstreamReads> upstream;
  uint64_t num_workers = 0;              // declared
  std::optional<uint32_t> max_failures;  // as the task says
  bool external_workers = false;
  PlanMemory memory;
  std::optional<ChunkSharing> chunks;  // nullopt: no chunk_shape declared

  /// Workers that will never have a block, while all others have one.
  uint64_t idle_workers() const {
    return num_workers > at_once_max && blocks > masked ? num_workers - at_once_max : 0;
  }
};

struct Plan {
  std::string name;
  bool serial = false;  // the job runs one block at a time, whatever could
  bool exact = false;   // played through; false: arithmetic
  uint64_t blocks_played = 0;
  std::vector<TaskPlan> tasks;

  uint64_t blocks = 0;
  uint64_t masked = 0;
  uint64_t at_once_max = 0;    // the tasks' added up
  uint64_t widest = 0;         // not played: as at_once_max
  uint64_t critical_path = 0;  // in blocks; not played: at most
  PlanMemory memory;

  bool has_chunk_errors() const;
  /// Whether some task is exclusive: then rounds depend on the order.
  bool has_exclusive() const;
};

/// What the broker keeps for the blocks of the job if nothing is slow: the sum of
/// PlanMemory::expected, by arithmetic. `graph` is that of the job.
uint64_t ExpectedMemory(const JobSpec& job, const DependencyGraph& graph);

/// Jobs of more blocks with work than this are not played.
inline constexpr uint64_t kPlayBlocksMax = 2'000'000;

/// Requires a job that passed ValidateJob, its masks read. Errors (kInvalidSpec): those of
/// BlockGrid::Make and RootSet::Make, with the words that the broker answers.
/// Where a play finds nothing to do although blocks are left, its numbers are arithmetic's.
/// Cost: played, about a microsecond a block; else O(tasks + edges), and the masks' voxels.
Result<Plan> MakePlan(const JobSpec& job, uint64_t play_blocks_max = kPlayBlocksMax);

}  // namespace bellis
