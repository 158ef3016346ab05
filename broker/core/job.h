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
#include "broker/core/worker.h"
#include "broker/schedule/dependency_graph.h"
#include "broker/schedule/frontier.h"
#include "common/ids.h"
#include "common/protocol/messages.h"
#include "common/time.h"

namespace bellis {

/// Failed attempts at one block so far. Kept only for blocks that have failed and are not final.
struct Attempts {
  uint32_t failed = 0;
  uint32_t excused = 0;           // that were the broker's or a launcher's doing, and do not count
  std::vector<WorkerId> workers;  // that failed it
  Instant open_at;                // from then on even these may have it again
};

/// The processes of one group of a task, and whether more of them are started.
struct GroupRun {
  uint64_t active = 0;   // processes asked for or running
  uint64_t retired = 0;  // exited with code 0, holding nothing; not replaced while others go on
  uint32_t crashes = 0;  // without a block completed by one of them in between
  Instant launch_at;     // back-off: no launch before
  bool greeted = false;  // one of them has said hello once
  // How the last one ended that said no hello, and how many ended like that one after the other.
  // Those that had been launched by the end of the one before, up to worker `same_until`, count
  // once with it.
  std::string same_end;
  WorkerId same_until;
  uint32_t same_ends = 0;
  std::string error;  // why no other is started; empty: others may be
};

struct LanguageRun {
  std::string language;
  uint64_t blocks = 0;
  double ms_total = 0;
};

/// The processes of one duty of a task: its workers, or its checkers.
struct Pool {
  // Requests that wait, first come first served. A worker is in it when `parked` is set; an entry
  // without that is stale and skipped.
  std::deque<WorkerId> parked;
  Slots slots;                   // of all that the table has, but for further connections
  uint64_t live = 0;             // of them, those that may be given blocks
  uint64_t asked = 0;            // of those, the ones that have asked for a block, or hold one
  uint64_t starting = 0;         // launched, not heard of yet
  uint64_t engaged = 0;          // places that wait for a block or hold one
  std::set<WorkerId> idle;       // with release_idle: of them, those that hold none
  std::vector<GroupRun> groups;  // as in the spec (GroupsOf)
  size_t next_group = 0;
  bool progress = false;  // a block was completed since those that had left were started again
  Instant launcher_missing_since = Instant::Never();
  Instant look_for_idle_at;               // not before, to make room in the budget
  Instant idle_since = Instant::Never();  // all that is left are external workers that do nothing
};

/// A block that a worker has completed, and that waits for the word of a post-checker.
struct Unconfirmed {
  uint32_t attempt = 1;
  WorkerId worker;
  uint64_t session = 0;  // of the worker
  LeaseId lease;
  size_t language_slot = 0;
  double ms = 0;
};

/// A block that a recovering worker has handed in, or says that it holds. The claim waits while
/// other workers of the task may hold blocks that the broker does not know of: two workers may
/// claim the same block. The later lease is right: it was given when the earlier one was over.
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
  // By duty: blocks that a lost worker may have died of, to be handed out alone (lost_leases.h). At
  // most those that each lost worker held.
  std::array<std::set<BlockIndex>, kDuties> apart;
  // With checkers. Blocks that a checker has, or has cleared, still count as ready; unconfirmed
  // blocks count as leased.
  uint64_t checking = 0;           // blocks that checkers have
  std::deque<BlockIndex> cleared;  // the check says that they are not done: for workers
  std::unordered_map<BlockIndex, Unconfirmed> unconfirmed;
  std::deque<BlockIndex> to_confirm;  // of them, those that no post-checker has
  // Blocks whose end is recorded and not durable yet. They count as leased, or as ready when
  // skipped.
  enum class Ending : uint8_t { kCompleted, kSkipped, kFailed };
  std::unordered_map<BlockIndex, Ending> uncommitted;
  uint64_t recovering = 0;  // workers that may hold blocks that the broker does not know of
  std::map<BlockIndex, Claim> claims;  // while `recovering`; one without result may be out of date
  uint64_t checks_failed = 0;          // by an exception, or the end of a checker
  uint64_t restarts = 0;
  bool launched_any = false;
  bool open = false;                    // min_workers have asked, or were waited for
  Instant open_at = Instant::Never();   // when the wait for them ends
  Instant timer_at = Instant::Never();  // of the last launch timer that was set
  bool closed = false;                  // done, and its workers told so
  std::string error;
  std::vector<FailureRecord> failures;  // the first kFailuresKept
  uint64_t failures_total = 0;
  // Since it was begun, or its failed blocks were opened again: what max_failures counts.
  uint64_t failures_counted = 0;
  std::string last_failure;        // its headline
  uint64_t failures_in_a_row = 0;  // since a block was last completed
  std::string slowed;              // why; empty: it is not
  Instant next_block_at;           // while it is slowed: none is handed out before
  // Attempts that workers which are still known completed or failed; and of them the failed.
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
  /// The block has ended: its failed attempts need not be known any more.
  void ForgetTries(BlockIndex block) {
    if (!attempts.empty()) attempts.erase(block);
    for (auto& blocks : apart) blocks.erase(block);
  }
};

/// The groups of processes that the task may have for that duty.
inline std::span<const WorkerGroup> GroupsOf(const TaskSpec& spec, Duty duty) {
  if (duty == Duty::kWork) return spec.workers;
  const auto& checker = duty == Duty::kCheck ? spec.check : spec.post_check;
  return checker ? std::span(&*checker, 1) : std::span<const WorkerGroup>();
}

/// How many processes its groups have together.
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
  // Released when the job has ended; final_counts then says how it went.
  std::shared_ptr<const DependencyGraph> graph;
  std::unique_ptr<Frontier> frontier;
  std::vector<BlockCounts> final_counts;
  std::vector<uint64_t> levels;
  std::vector<TaskRun> tasks;
  size_t open_tasks = 0;           // not yet closed
  std::vector<TaskIndex> touched;  // to be looked at when the event is done
  bool queued = false;             // stands among the touched jobs
  bool working = false;            // stands among those with follow-up work
  uint64_t version = 0;            // grows with every change that a watcher could see
  uint64_t workers = 0;            // in the table
  size_t bytes = 0;                // of its tasks
  uint64_t mask_bytes = 0;         // when it has ended: of its spec's masks

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

/// What `status` and `watch` tell. Cost: that of the tasks and their kept failures.
JobStatus StatusOf(const Job& job, Instant now);

}  // namespace bellis
