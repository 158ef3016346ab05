#pragma once

// A job while it runs: its schedule, and per task the workers, attempts and statistics.

#include <cstdint>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "broker/core/dependency_graph.h"
#include "broker/core/frontier.h"
#include "common/ids.h"
#include "common/task/job_spec.h"
#include "common/task/status.h"
#include "common/time.h"

namespace bellis {

/// Failed attempts at one block so far. Kept only for blocks that have failed and are not final.
struct Attempts {
  uint32_t failed = 0;
  std::vector<WorkerId> workers;  // that failed it
  Instant open_at;                // from then on even these may have it again
};

struct GroupRun {
  uint64_t active = 0;   // processes asked for or running
  uint64_t retired = 0;  // exited by themselves with code 0; not replaced
};

struct LanguageRun {
  std::string language;
  uint64_t blocks = 0;
  double ms_total = 0;
};

struct TaskRun {
  // Requests that wait, first come first served. A worker is in it when `parked` is set; an entry
  // without that is stale and skipped.
  std::deque<WorkerId> parked;
  std::set<WorkerId> workers;  // all that the table has for this task
  uint64_t live = 0;           // of them, those that may be given blocks
  std::unordered_map<BlockIndex, Attempts> attempts;
  std::deque<BlockIndex> held_back;  // ready retries that wait for another worker
  std::vector<GroupRun> groups;      // as in the spec
  size_t next_group = 0;
  uint32_t crashes = 0;  // without a completed block in between
  uint64_t restarts = 0;
  Instant launch_at;  // back-off: no launch before
  Instant launcher_missing_since = Instant::Never();
  bool launched_any = false;
  bool open = false;                    // min_workers were there, or waited for
  Instant open_at = Instant::Never();   // when the wait for them ends
  uint64_t starting = 0;                // launched, not heard of yet
  Instant timer_at = Instant::Never();  // of the last launch timer that was set
  bool closed = false;                  // done, and its workers told so
  std::string error;
  std::vector<FailureRecord> failures;  // the first kFailuresKept
  uint64_t failures_total = 0;
  std::vector<LanguageRun> languages;
  bool touched = false;
};

struct Job {
  JobNumber number;
  std::string id;
  JobSpec spec;
  Instant submitted;
  Instant ended;
  JobState state = JobState::kRunning;
  std::string reason;
  // Released when the job has ended; final_counts then says how it went.
  std::unique_ptr<DependencyGraph> graph;
  std::unique_ptr<Frontier> frontier;
  std::vector<BlockCounts> final_counts;
  std::vector<uint64_t> levels;
  std::vector<TaskRun> tasks;
  size_t open_tasks = 0;           // not yet closed
  std::vector<TaskIndex> touched;  // to be looked at when the event is done
  bool queued = false;             // stands among the touched jobs
  bool working = false;            // stands among those with follow-up work
  uint64_t version = 0;            // grows with every change that a watcher could see
  std::set<uint64_t> watches;
  uint64_t workers = 0;  // in the table

  bool running() const { return state == JobState::kRunning; }
  const BlockCounts& counts(TaskIndex task) const {
    return frontier ? frontier->counts(task) : final_counts[task];
  }
  void Touch(TaskIndex task) {
    if (tasks[task].touched) return;
    tasks[task].touched = true;
    touched.push_back(task);
  }
  uint64_t leased() const {
    uint64_t blocks = 0;
    for (TaskIndex t = 0; t < tasks.size(); ++t) blocks += counts(t).leased;
    return blocks;
  }
};

/// What `status` and `watch` tell. Cost: that of the tasks and their kept failures.
JobStatus StatusOf(const Job& job, Instant now);

}  // namespace bellis
