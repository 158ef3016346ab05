#pragma once

// The records that the scheduler has stored on disk, and the state that it gets back after a
// restart. Records are written in order, and a restart sees a prefix of them: if a record is there,
// so is every one before it. Nothing here says how they are stored (broker/journal does).

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "bellis/job_spec.h"
#include "bellis/job_status.h"
#include "broker/schedule/block_states.h"
#include "broker/schedule/dependency_graph.h"
#include "broker/schedule/task_progress.h"
#include "common/ids.h"
#include "common/protocol/messages.h"

namespace bellis {

/// Ids below these may have been given to somebody and are never given again.
struct Marks {
  uint64_t lease = 1;
  uint64_t worker = 1;
  bool operator==(const Marks&) const = default;
};

/// A job was accepted. Durable before its id is told to anybody.
struct JobBegun {
  JobNumber job;
  std::string id;
  JobSpec spec;
  bool operator==(const JobBegun&) const = default;
};

/// A job that had ended runs again: its failed blocks are open again.
struct JobReopened {
  JobNumber job;
  bool operator==(const JobReopened&) const = default;
};

/// A job has ended. `counts` has an entry for each task.
struct JobOver {
  JobNumber job;
  JobState state = JobState::kCompleted;
  std::string reason;
  std::vector<BlockCounts> counts;
  bool operator==(const JobOver&) const = default;
};

/// The job is forgotten; none of its data is needed any more.
struct JobForgotten {
  JobNumber job;
  bool operator==(const JobForgotten&) const = default;
};

/// A block is completed, or a run of blocks. Durable before a block that depends on it or conflicts
/// with it is leased.
struct BlockDone {
  JobNumber job;
  TaskIndex task = 0;
  BlockIndex block = 0;
  bool skipped = false;  // its check found the output there
  std::string language;  // of the worker that did it; empty: skipped
  uint64_t us = 0;       // how long it took
  uint32_t count = 1;    // how many blocks: `block`, `block` + 1, ...
  bool operator==(const BlockDone&) const = default;
};

/// An attempt at a block has failed; with `final`, the block has failed, too.
struct AttemptFailed {
  JobNumber job;
  TaskIndex task = 0;
  FailureRecord failure;
  bool final = false;
  bool operator==(const AttemptFailed&) const = default;
};

/// A process that another process on the same machine can look for. `machine` names the kernel that
/// runs it and its pid namespace; empty: unknown, so nobody can look.
struct ProcessRef {
  std::string host;  // for people
  std::string machine;
  int64_t pid = 0;
  bool operator==(const ProcessRef&) const = default;
  /// For example "pid 77 on far"; "" if the pid is unknown.
  std::string ToString() const {
    if (pid <= 0) return "";
    return "pid " + std::to_string(pid) + (host.empty() ? "" : " on " + host);
  }
};

/// The worker or launcher whose process the broker looks for.
using ProbeSubject = std::variant<WorkerId, LauncherId>;

/// A worker that may hold leases from now on. Durable before its first lease.
struct Session {
  WorkerId worker;
  uint64_t key = 0;  // chosen by the worker; the same in each hello of one process
  JobNumber job;
  TaskIndex task = 0;
  Duty duty = Duty::kWork;
  uint32_t group = 0;
  uint32_t heartbeat_ms = 0;
  uint32_t lease_ms = 0;  // the longest that it was ever told; 0 without heartbeats
  std::string language;
  ProcessRef process;
  bool launched = false;
  ProcessRef launcher;             // when launched
  std::vector<uint64_t> replaced;  // keys of the processes that this one has superseded
  WorkerId starter;                // of a further connection: the launched worker's number
  bool vacant = false;             // its process has left that connection and holds nothing
  uint32_t slot = 0;
  bool operator==(const Session&) const = default;
};
struct SessionBegun {
  Session session;
  bool operator==(const SessionBegun&) const = default;
};
struct SessionOver {
  WorkerId worker;
  bool operator==(const SessionOver&) const = default;
};

using Record = std::variant<Marks, JobBegun, JobReopened, JobOver, JobForgotten, BlockDone,
                            AttemptFailed, SessionBegun, SessionOver>;

/// The completed blocks of a task that workers of one language did.
struct LanguageTotal {
  std::string language;
  uint64_t blocks = 0;
  uint64_t us = 0;  // all together
  bool operator==(const LanguageTotal&) const = default;
};

struct SavedJob {
  JobNumber job;
  std::string id;
  JobSpec spec;
  JobState state = JobState::kRunning;
  std::string reason;
  std::vector<BlockCounts> counts;                    // if the job has ended
  std::vector<std::vector<LanguageTotal>> languages;  // an entry for each task; by name
  bool operator==(const SavedJob&) const = default;
};

/// Everything that a broker takes over from an earlier one, except the progress of a job, which is
/// read when the job runs again.
struct Saved {
  std::vector<SavedJob> jobs;  // by number
  std::vector<Session> sessions;
  Marks marks;
  bool operator==(const Saved&) const = default;
};

}  // namespace bellis
