#pragma once

// The specification of a job: tasks over a volume, the edges between them, and the workers for each
// task. Plain data; nothing is checked here. ReadPipelineFile (pipeline_file.h) makes a JobSpec
// from a file, and the broker checks whether it can be scheduled. docs/PIPELINE.md describes every
// field.
//
// Example:
//
//     bellis::TaskSpec smooth;
//     smooth.task_id = "smooth";
//     smooth.total_roi = bellis::Roi({0, 0}, {1044, 1044});
//     smooth.read_roi = bellis::Roi({0, 0}, {84, 84});
//     smooth.write_roi = bellis::Roi({10, 10}, {64, 64});
//     bellis::WorkerGroup group;
//     group.command = {"./smooth", "input.zarr"};
//     group.count = 4;
//     smooth.workers.push_back(group);
//     bellis::JobSpec job;
//     job.name = "segment";
//     job.tasks.push_back(smooth);
//     return job.tasks[0].num_workers() == 4 ? 0 : 1;

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bellis/duration.h"
#include "bellis/mask.h"
#include "bellis/roi.h"

namespace bellis {

/// What happens at the upper end of the total ROI, where no whole block fits (docs/SEMANTICS.md,
/// "Tiling").
enum class Fit { kValid, kOverhang, kShrink };

/// Which of a task's ready blocks is leased first (docs/SEMANTICS.md, "Life of a block").
enum class Order { kDeepest, kFifo };

/// Whether two blocks of a task may run at the same time if one reads where the other writes.
enum class Conflict {
  kNone,       // they may: `read_write_conflict = false`
  kOrdered,    // never at the same time, and always in the same order: `true`
  kExclusive,  // never at the same time: `"exclusive"`
};

/// Variables by name.
using Environment = std::map<std::string, std::string>;

/// Processes that all run the same command. A task may have several groups, in several languages.
struct WorkerGroup {
  std::vector<std::string> command;  // program and arguments; no shell
  uint32_t count = 1;
  Environment env;  // added to the task's
  bool operator==(const WorkerGroup&) const = default;
};

/// One task: a function over the blocks of a volume. ROIs are in world units.
struct TaskSpec {
  std::string task_id;
  Roi total_roi;
  Roi read_roi;  // only its shape and its position relative to write_roi matter
  Roi write_roi;
  Fit fit = Fit::kValid;
  Conflict read_write_conflict = Conflict::kOrdered;
  Order order = Order::kDeepest;
  uint32_t max_retries = 2;           // so 3 attempts in all
  Duration timeout;                   // for one attempt at one block; 0: none
  uint32_t max_worker_restarts = 10;  // crashes without a completed block in between
  // How many attempts at the task's blocks may fail in all. After one more the task is given up.
  // nullopt: no limit.
  std::optional<uint32_t> max_failures;
  std::vector<std::string> upstream;  // task ids
  std::vector<WorkerGroup> workers;
  bool external_workers = false;  // the user starts workers for the task
  // Conflicting blocks may be leased to external workers without heartbeats, although the broker
  // cannot be sure of their end. The blocks of such a worker are free when its connection ends.
  bool unsafe_leases = false;
  bool paused = false;  // no block of the task is handed out
  // The resources of the broker that one worker of the task takes while it runs.
  std::map<std::string, uint32_t> required;
  uint32_t min_workers = 0;  // must have asked before the first block is handed out
  // Surplus idle workers leave, once there are more workers than blocks left.
  bool release_idle = false;
  // How many blocks a worker asks for in advance, if it does not say so itself. nullopt: as many as
  // their times allow.
  std::optional<uint32_t> prefetch;
  std::optional<MaskSpec> mask;  // blocks that write only where it is false are left out
  // Checkers: `check` is asked before a block is leased (does its output exist already?), and
  // `post_check` after a worker has reported it completed (is it right?).
  std::optional<WorkerGroup> check;
  std::optional<WorkerGroup> post_check;
  // The shape of the storage's chunks in world units, aligned at 0; `plan` warns of blocks that
  // share a chunk. Rank 0: not declared.
  Coordinate chunk_shape;
  Environment env;  // for all workers of the task
  bool operator==(const TaskSpec&) const = default;

  /// The number of workers of all groups.
  uint64_t num_workers() const {
    uint64_t count = 0;
    for (const WorkerGroup& group : workers) count += group.count;
    return count;
  }
};

/// Who submitted a job, and when. The broker sets the times; a pipeline file has no such fields.
struct JobOrigin {
  std::string user;           // from the client
  std::string host;           // of the client
  uint32_t submitted_at = 0;  // seconds since 1970, by the broker's clock; 0: unknown
  uint32_t ended_at = 0;      // 0: it runs, or unknown
  std::string run;            // the folder of its logs, named by the broker; empty: none
  // The files that the job's commands name, by path, with a digest of each that the client has
  // computed. They are compared when the job is submitted again (Stored::kGoOnSame in control.h);
  // empty: unknown.
  Environment files;
  bool operator==(const JobOrigin&) const = default;
};

/// Tasks that are scheduled together.
struct JobSpec {
  std::string name = "job";
  std::vector<TaskSpec> tasks;
  bool serial = false;  // one block at a time, in exact serial order
  std::string cwd;      // working directory of launched workers; empty: the launcher's
  std::string log_dir;  // where worker logs go; empty: "bellis_logs" in the launcher's directory
  Environment env;      // for all workers of all tasks
  JobOrigin origin;
  bool operator==(const JobSpec&) const = default;
};

}  // namespace bellis
