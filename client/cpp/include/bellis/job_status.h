#pragma once

// The status of a job, as `status` and `watch` return it, for progress bars and summaries. Plain
// data: a copy from the broker, which does not change. Counts are of blocks.
//
// Example:
//
//     bellis::JobStatus job;
//     bellis::TaskStatus smooth;
//     smooth.counts = {.blocks = 9, .ready = 2, .completed = 7};
//     job.tasks.push_back(smooth);
//     for (const bellis::TaskStatus& task : job.tasks) {
//       std::cout << task.task << ": " << task.counts.unfinished() << " blocks to go\n";
//     }
//     return job.state == bellis::JobState::kRunning ? 0 : 1;

#include <cstdint>
#include <string>
#include <vector>

#include "bellis/export.h"
#include "bellis/ids.h"

namespace bellis {

/// Always: blocks = masked + pending + ready + leased + completed + failed + orphaned.
struct BlockCounts {
  uint64_t blocks = 0;
  uint64_t masked = 0;
  uint64_t pending = 0;    // wait for other blocks
  uint64_t ready = 0;      // could be leased now
  uint64_t leased = 0;     // held by a worker
  uint64_t completed = 0;  // skipped ones included
  uint64_t skipped = 0;    // completed without running
  uint64_t failed = 0;     // out of attempts
  uint64_t orphaned = 0;   // depend on a failed block
  bool operator==(const BlockCounts&) const = default;
  uint64_t unfinished() const { return pending + ready + leased; }
};

/// One failed attempt at a block.
struct FailureRecord {
  CantorId block = 0;
  BlockIndex index = 0;
  uint32_t attempt = 0;  // from 1
  WorkerId worker;
  std::string error;  // from the worker, or "timeout after 5 s", "exited with code 3"
  bool operator==(const FailureRecord&) const = default;
};

/// Completed blocks of the workers of one language, which workers give in their hello.
struct LanguageStats {
  std::string language;
  uint64_t blocks = 0;
  double block_ms_mean = 0;  // from when the worker could start on a block to its release
  bool operator==(const LanguageStats&) const = default;
};

/// The status of one task of a job.
struct TaskStatus {
  std::string task;
  BlockCounts counts;
  uint64_t levels = 0;
  uint64_t workers_starting = 0;  // a launcher was asked to start them; no hello yet
  uint64_t workers_live = 0;
  uint64_t worker_restarts = 0;
  double block_ms_mean = 0;
  std::vector<LanguageStats> languages;
  std::vector<FailureRecord> failures;  // the first few
  uint64_t failures_total = 0;
  std::string error;    // why the task was given up, if it was
  std::string log_dir;  // where the logs of the task's workers are; empty if none was launched
  bool paused = false;  // no block of the task is handed out
  // Notices for the user while the task runs: a group of workers was given up, or the task is
  // slowed because most of its blocks fail. The first line of each notice says what has happened.
  std::vector<std::string> notices;
  bool operator==(const TaskStatus&) const = default;
};

/// One step of the chain that explains why a block does not run. Each block waits for the next one.
struct ExplainStep {
  std::string task;
  CantorId block = 0;
  BlockIndex index = 0;
  std::string state;  // "pending", "ready", "leased", "completed", "failed", "orphaned", "masked"
  std::string why;    // one sentence
  bool operator==(const ExplainStep&) const = default;
};

/// Why a block does not run, or why a worker is idle.
struct Explanation {
  std::string summary;  // the result, in one sentence
  std::vector<ExplainStep> steps;
  bool operator==(const Explanation&) const = default;
};

/// kFailed: some blocks failed or were orphaned, or the job was given up.
enum class JobState { kRunning, kCompleted, kFailed, kCancelled };

/// "running", "completed" (every block), "failed", "cancelled".
BELLIS_API const char* JobStateName(JobState state);

/// The status of a job and of its tasks, in the order of the pipeline.
struct JobStatus {
  std::string job;  // the id that submit returned
  std::string name;
  JobState state = JobState::kRunning;
  std::string reason;    // why it ended, unless it completed
  double elapsed_s = 0;  // from the submit to the job's end, or to now
  std::string user;      // who submitted it, from the client; empty: unknown
  std::string host;
  uint64_t submitted_at = 0;  // seconds since 1970, by the broker's clock; 0: not known
  std::vector<TaskStatus> tasks;
  bool operator==(const JobStatus&) const = default;
};

}  // namespace bellis
