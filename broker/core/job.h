#pragma once

// A job while it runs: its schedule, and per task the workers, attempts and statistics.

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "bellis/job_spec.h"
#include "bellis/job_status.h"
#include "broker/core/slots.h"
#include "broker/core/uncommitted.h"
#include "broker/core/worker.h"
#include "broker/schedule/dependency_graph.h"
#include "broker/schedule/frontier.h"
#include "common/ids.h"
#include "common/protocol/messages.h"
#include "common/ring.h"
#include "common/time.h"

namespace bellis {

/// Failed attempts at one block so far. Kept only for blocks that have failed and are not final.
struct Attempts {
  uint32_t failed = 0;
  uint32_t excused = 0;           // do not count: the broker or a launcher caused them
  std::vector<WorkerId> workers;  // that failed it
  Instant open_at;                // from then on these workers, too, may have it again
};

/// The processes of one group of a task, and whether more of them are started.
struct GroupRun {
  uint64_t active = 0;   // processes asked for or running
  uint64_t retired = 0;  // exited with code 0, holding no block; not replaced while others go on
  uint32_t crashes = 0;  // since a worker of the group last completed a block
  Instant launch_at;     // back-off: no launch before
  bool greeted = false;  // one of its workers has said hello
  // How the last worker ended that said no hello, and how many ended like that in a row. Workers up
  // to `same_until` had been launched before the last one ended, and are not counted again.
  std::string same_end;
  WorkerId same_until;
  uint32_t same_ends = 0;
  std::string error;  // why no worker is started; empty: workers may be started
};

struct LanguageRun {
  std::string language;
  uint64_t blocks = 0;
  double ms_total = 0;
};

/// The processes of one duty of a task: its workers, or its checkers.
struct Pool {
  // Workers whose requests wait, first come first served. An entry whose worker is not `parked` any
  // more is stale, and is skipped.
  Ring<WorkerId> parked;
  Slots slots;                   // of all entries that are no further connections
  uint64_t live = 0;             // entries that may be given blocks
  uint64_t asked = 0;            // places that have asked for a block, or hold one
  uint64_t starting = 0;         // launched, not heard of yet
  uint64_t engaged = 0;          // places that wait for a block or hold one
  std::set<WorkerId> idle;       // with release_idle: places that wait and hold no block
  std::vector<GroupRun> groups;  // as in the spec (GroupsOf)
  size_t next_group = 0;
  bool progress = false;  // a block was completed since workers that left were last restarted
  Instant launcher_missing_since = Instant::Never();
  Instant look_for_idle_at;               // earliest time to look for idle workers that can make
                                          // room in the budget
  Instant idle_since = Instant::Never();  // since then only idle external workers are left
};

/// A block that a worker has completed, and that waits for a post-checker's answer.
struct Unconfirmed {
  uint32_t attempt = 1;
  WorkerId worker;
  uint64_t session = 0;  // of the worker
  LeaseId lease;
  size_t language_slot = 0;
  double ms = 0;
};

/// A block that a recovering worker has handed in, or says that it holds. The claim waits while
/// other workers of the task are recovering, since two workers may claim the same block. Then the
/// later lease is valid: it was given when the earlier one was over.
struct Claim {
  WorkerId worker;
  uint64_t session = 0;  // of the worker
  size_t language_slot = 0;
  Lease lease;
  double ms = 0;
  std::optional<BlockResult> result;  // handed in: the worker does not hold the lease any more
};

struct TaskRun {
  std::array<Pool, kDuties> pools;  // by duty
  std::set<WorkerId> workers;       // of all duties
  std::unordered_map<BlockIndex, Attempts> attempts;
  std::deque<BlockIndex> held_back;  // ready retries that wait for another worker
  // By duty: blocks that are set apart, because a lost worker may have died of them
  // (lost_leases.h). At most the blocks that lost workers held.
  std::array<std::set<BlockIndex>, kDuties> apart;
  // For tasks with checkers. Blocks that a checker has, or has cleared, still count as ready;
  // unconfirmed blocks count as leased.
  uint64_t checking = 0;           // blocks that checkers have
  std::deque<BlockIndex> cleared;  // the check says that they are not done, so workers get them
  std::unordered_map<BlockIndex, Unconfirmed> unconfirmed;
  std::deque<BlockIndex> to_confirm;  // unconfirmed blocks that no post-checker has
  // Blocks whose end is recorded, but not durable yet. They count as leased; skipped ones count as
  // ready.
  Uncommitted<Ending> uncommitted;
  Uncommitted<BlockIndex> uncommitted_runs;  // likewise, completed: first, and behind last
  uint64_t recovering = 0;  // workers that may hold blocks that the broker does not know of
  std::map<BlockIndex, Claim> claims;  // while `recovering`; a claim without a result may be out of
                                       // date
  uint64_t checks_failed = 0;          // checks that ended in an exception, or with the end of the
                                       // checker
  uint64_t restarts = 0;
  bool launched_any = false;
  bool open = false;                    // min_workers have asked, or the wait for them is over
  Instant open_at = Instant::Never();   // when the wait for them ends
  Instant timer_at = Instant::Never();  // of the last launch timer that was set
  bool closed = false;                  // done, and its workers were told so
  std::string error;
  std::vector<FailureRecord> failures;  // the first kFailuresKept
  uint64_t failures_total = 0;
  // Failures that max_failures counts: since the task began, or since its failed blocks were last
  // opened again.
  uint64_t failures_counted = 0;
  std::string last_failure;        // its headline
  uint64_t failures_in_a_row = 0;  // since a block was last completed
  std::string slowed;              // why the task is slowed; empty: it is not
  Instant next_block_at;           // while the task is slowed: no block is handed out before
  // Attempts that workers in the table have completed or failed, and those of them that failed.
  uint64_t tries = 0;
  uint64_t tries_failed = 0;
  std::vector<LanguageRun> languages;
  bool touched = false;
  size_t bytes = 0;  // of its schedule, when it was last settled

  Pool& pool(Duty duty) { return pools[static_cast<size_t>(duty)]; }
  const Pool& pool(Duty duty) const { return pools[static_cast<size_t>(duty)]; }
  std::set<BlockIndex>& apart_for(Duty duty) { return apart[static_cast<size_t>(duty)]; }
  const std::set<BlockIndex>& apart_for(Duty duty) const {
    return apart[static_cast<size_t>(duty)];
  }
  /// The block has ended: forgets its failed attempts.
  void ForgetTries(BlockIndex block) {
    if (!attempts.empty()) attempts.erase(block);
    for (auto& blocks : apart) blocks.erase(block);
  }
};

/// The groups of the task for that duty.
inline std::span<const WorkerGroup> GroupsOf(const TaskSpec& spec, Duty duty) {
  if (duty == Duty::kWork) return spec.workers;
  const auto& checker = duty == Duty::kCheck ? spec.check : spec.post_check;
  return checker ? std::span(&*checker, 1) : std::span<const WorkerGroup>();
}

/// How many places the task's groups for that duty have in all.
inline uint32_t PlacesOf(const TaskSpec& spec, Duty duty) {
  uint32_t places = 0;
  for (const WorkerGroup& group : GroupsOf(spec, duty)) places += group.count;
  return places;
}

struct Job {
  JobNumber number;
  std::string id;
  JobSpec spec;
  Instant submitted;
  Instant ended;
  JobState state = JobState::kRunning;
  std::string reason;
  // The graph and the frontier are released when the job has ended. Then final_counts has the
  // counts.
  std::shared_ptr<const DependencyGraph> graph;
  std::unique_ptr<Frontier> frontier;
  std::vector<BlockCounts> final_counts;
  std::vector<uint64_t> levels;
  std::vector<TaskRun> tasks;
  size_t open_tasks = 0;           // not yet closed
  std::vector<TaskIndex> touched;  // looked at after the event
  bool queued = false;             // is among the JobTable's touched jobs
  bool working = false;            // is among the JobTable's jobs with follow-up work
  uint64_t version = 0;            // grows with every change that a watcher could see
  uint64_t workers = 0;            // in the table
  size_t bytes = 0;                // of its tasks
  uint64_t mask_bytes = 0;         // of its spec's masks, once it has ended

  bool running() const { return state == JobState::kRunning; }
  uint64_t completed() const {
    uint64_t blocks = 0;
    for (TaskIndex t = 0; t < tasks.size(); ++t) blocks += counts(t).completed;
    return blocks;
  }
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

/// The job's status, for `status` and `watch`. Cost: linear in the tasks and their kept failures.
JobStatus StatusOf(const Job& job, Instant now);

}  // namespace bellis
