#pragma once

// What a user asks for: tasks over a volume, the edges between them, and who is to work on them.
// Plain data; nothing is checked here. ReadPipelineFile (pipeline_file.h) makes one from a file,
// the broker says whether it can be scheduled. Field by field for users: docs/PIPELINE.md.
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

/// What happens at the upper end of the total ROI (docs/SEMANTICS.md, "Tiling").
enum class Fit { kValid, kOverhang, kShrink };

/// Which of a task's ready blocks is leased first (docs/SEMANTICS.md, "Life of a block").
enum class Order { kDeepest, kFifo };

/// What holds for two blocks of a task of which one reads where the other writes.
enum class Conflict {
  kNone,       // nothing: `read_write_conflict = false`
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
  Roi read_roi;  // only its shape, and where write_roi lies in it, matter
  Roi write_roi;
  Fit fit = Fit::kValid;
  Conflict read_write_conflict = Conflict::kOrdered;
  Order order = Order::kDeepest;
  uint32_t max_retries = 2;           // so 3 attempts in all
  Duration timeout;                   // for one attempt at one block; 0 is none
  uint32_t max_worker_restarts = 10;  // crashes without a completed block in between
  // How many attempts at its blocks may fail in all. With one more the task is given up. None: no
  // limit.
  std::optional<uint32_t> max_failures;
  std::vector<std::string> upstream;  // task ids
  std::vector<WorkerGroup> workers;
  bool external_workers = false;  // workers that the user starts will come
  // Blocks that conflict may be leased to external workers without heartbeats, of whose end nobody
  // would know for certain. What such a worker holds is free when its connection ends.
  bool unsafe_leases = false;
  bool paused = false;  // none of its blocks is handed out
  // What one of its workers takes of the broker's resources while it runs.
  std::map<std::string, uint32_t> required;
  uint32_t min_workers = 0;  // connected before the first block is handed out
  // Idle workers leave when more workers wait for a block or hold one than blocks are left.
  bool release_idle = false;
  std::optional<MaskSpec> mask;  // blocks that write where it is false are left out
  // Checkers: processes that are asked about a block before it is leased (is its output there
  // already?), and after a worker reported it completed (is it right?).
  std::optional<WorkerGroup> check;
  std::optional<WorkerGroup> post_check;
  // Shape of the storage's chunks, in world units, aligned at 0; `plan` warns of blocks that share
  // one. No dimensions: not declared.
  Coordinate chunk_shape;
  Environment env;  // for all its workers
  bool operator==(const TaskSpec&) const = default;

  /// Of all groups.
  uint64_t num_workers() const {
    uint64_t count = 0;
    for (const WorkerGroup& group : workers) count += group.count;
    return count;
  }
};

/// Who submitted a job, and when. The broker fills the times in; a pipeline file has no such thing.
struct JobOrigin {
  std::string user;           // as the client says
  std::string host;           // of the client
  uint32_t submitted_at = 0;  // seconds since 1970, by the broker's clock; 0: not known
  uint32_t ended_at = 0;      // 0: it runs, or not known
  std::string run;            // the folder of its logs, named by the broker; empty: none
  // By path, a digest of each file that the job's commands name, as the client found it. Compared
  // when the job is submitted again (Stored::kGoOnSame in control.h); empty: not said.
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
