#pragma once

// The messages of bellis/1, one struct for each. MESSAGES.md beside this file lists them;
// codec.h converts messages to bytes and back. The default of a field that may be left out on the
// wire is given here.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "bellis/duty.h"
#include "bellis/job_spec.h"
#include "bellis/job_status.h"
#include "bellis/result.h"
#include "bellis/roi.h"
#include "common/ids.h"
#include "common/protocol/leases.h"
#include "common/work_page.h"

namespace bellis {

inline constexpr uint32_t kProtocolVersion = 1;
/// A larger message is refused with an error. Every peer must respect the limit.
inline constexpr size_t kMessageBytesMax = 1 << 20;
/// How many blocks one worker may hold or have asked for.
inline constexpr uint32_t kWantMax = 1024;
/// When the codec encodes a longer error text of a worker, it cuts the middle out.
inline constexpr size_t kErrorTextBytesMax = 16 << 10;

/// kPulse: a second connection of a worker, which only keeps its leases alive.
enum class Role { kWorker, kClient, kLauncher, kPulse };
const char* RoleName(Role role);

// ---- any peer to the broker ----

/// The first message on a connection, which says who the peer is.
struct HelloMsg {
  uint32_t version = kProtocolVersion;
  Role role = Role::kClient;
  std::string token;        // if the broker requires one
  std::string job;          // worker: the job to work for; empty: the only running one
  std::string task;         // worker: its task; empty: the only one of the job
  WorkerId worker;          // worker: the id from its launcher; none: the broker gives one
  Duty duty = Duty::kWork;  // worker without an id: its duty
  std::string language;     // worker: "c++", "python", ...
  std::string host;
  int64_t pid = 0;
  int64_t former_pid = 0;  // launcher: pid of the launcher on this host that it replaces
  std::string machine;     // name of kernel and pid namespace; empty: unknown
  // Worker and pulse: a number that the process chose, the same in each of its hellos; 0: none.
  uint64_t session = 0;
  uint64_t greeting = 0;        // worker: number of its hellos in this session, with this one
  uint32_t heartbeat_ms = 0;    // worker: it will ping at least this often; 0: never
  std::vector<HeldLease> held;  // worker: leases that it has from an earlier connection
  bool runs = false;            // worker: it can be given runs of blocks, and hand them in
  bool operator==(const HelloMsg&) const = default;
};

/// Asks for an answer (`pong`), carrying `nonce` back.
struct PingMsg {
  uint64_t nonce = 0;
  bool operator==(const PingMsg&) const = default;
};

/// The peer leaves, and holds nothing any more.
struct ByeMsg {
  std::string reason;
  bool operator==(const ByeMsg&) const = default;
};

// ---- worker to broker ----

/// Adds `want` to the number of blocks that the worker can take.
struct AcquireMsg {
  uint32_t want = 1;
  bool operator==(const AcquireMsg&) const = default;
};

/// Hands blocks back, and adds `want` as AcquireMsg does.
struct ReleaseMsg {
  std::vector<BlockResult> results;
  uint32_t want = 0;
  std::vector<LeaseRun> runs;  // more leases, whose blocks are completed
  bool operator==(const ReleaseMsg&) const = default;
};

// ---- broker to worker ----

/// Answers a hello of any role.
struct WelcomeMsg {
  uint32_t version = kProtocolVersion;
  std::string broker;  // name and version of the program
  std::string job;     // worker: the job that it works for
  std::string task;
  WorkerId worker;
  Duty duty = Duty::kWork;
  uint32_t slot = 0;  // worker: its slot among the workers of its task
  // Worker: its leases end this long after its last ping; 0: they do not end by themselves.
  uint32_t lease_ms = 0;
  uint32_t heartbeat_ms = 0;  // worker: it must ping at least this often
  bool durable = false;       // worker: it must keep each result until that is committed
  // Worker: how many blocks to ask for in advance, as its task says; none: the worker decides.
  std::optional<uint32_t> prefetch;
  std::vector<LeaseId> held;     // worker: the leases in its hello that are still valid
  std::optional<TaskGrid> grid;  // worker: it is given runs
  bool operator==(const WelcomeMsg&) const = default;
};

struct WorkMsg {
  std::vector<LeasedBlock> blocks;
  std::vector<WorkRun> runs;
  bool operator==(const WorkMsg&) const = default;
};

/// Other workers wait for blocks, so the worker should hand back those that it has not started, but
/// may keep `keep` blocks: the ones that came first.
struct RecallMsg {
  uint32_t keep = 1;
  bool operator==(const RecallMsg&) const = default;
};

/// The worker must finish the blocks that it holds, ask for no more, then say bye and exit.
struct DrainMsg {
  std::string reason;
  bool operator==(const DrainMsg&) const = default;
};

/// There is no more work for this peer, which must say bye and exit. A worker loses the leases that
/// it still holds.
struct LeaveMsg {
  std::string reason;
  bool operator==(const LeaveMsg&) const = default;
};

/// The results of these leases are on disk, and need not be handed in again.
struct CommittedMsg {
  std::vector<LeaseId> leases;
  std::vector<LeaseId> dropped;  // leases that were over when their results came
  std::vector<LeaseRun> runs;    // more leases whose results are on disk
  bool operator==(const CommittedMsg&) const = default;
};

struct PongMsg {
  uint64_t nonce = 0;
  bool operator==(const PongMsg&) const = default;
};

/// A message of the peer was refused, and has changed nothing.
struct ErrorMsg {
  ErrorCode code = ErrorCode::kBadMessage;
  std::string message;
  uint64_t req = 0;  // the request that it answers; 0: unknown
  bool operator==(const ErrorMsg&) const = default;
};

// ---- client to broker; `req` comes back in the answer ----

struct SubmitMsg {
  uint64_t req = 0;
  JobSpec spec;
  bool fresh = false;          // forget a stored job of that name
  bool same_programs = false;  // do not resume a job that other programs have worked on
  bool operator==(const SubmitMsg&) const = default;
};

/// Status of one job, or of all when `job` is empty.
struct StatusMsg {
  uint64_t req = 0;
  std::string job;
  bool operator==(const StatusMsg&) const = default;
};

struct CancelMsg {
  uint64_t req = 0;
  std::string job;
  std::string reason;
  bool operator==(const CancelMsg&) const = default;
};

/// Opens failed blocks again, with all their attempts. A job that had ended runs again.
struct RetryFailedMsg {
  uint64_t req = 0;
  std::string job;
  bool operator==(const RetryFailedMsg&) const = default;
};

/// No block of the job, or of that task, is handed out until `resume`. Leased blocks go on.
struct PauseMsg {
  uint64_t req = 0;
  std::string job;
  std::string task;  // empty: the whole job
  bool operator==(const PauseMsg&) const = default;
};
struct ResumeMsg {
  uint64_t req = 0;
  std::string job;
  std::string task;
  bool operator==(const ResumeMsg&) const = default;
};

/// Changes how many workers of a group the broker starts. Surplus workers are drained.
struct SetWorkersMsg {
  uint64_t req = 0;
  std::string job;
  std::string task;    // empty: the only one of the job
  uint32_t group = 0;  // place in the task's [[tasks.workers]]
  uint32_t count = 0;
  bool operator==(const SetWorkersMsg&) const = default;
};

/// The client states that the process of this worker has ended, so that its leases end.
struct WorkerGoneMsg {
  uint64_t req = 0;
  WorkerId worker;
  bool operator==(const WorkerGoneMsg&) const = default;
};

/// Asks for the job's progress from now on, at most one message per interval, and for `ended` at
/// the end (at once if the job has ended).
struct WatchMsg {
  uint64_t req = 0;
  std::string job;
  uint32_t interval_ms = 200;
  bool operator==(const WatchMsg&) const = default;
};

/// Asks why a block does not run or, if `worker` is given, why that worker is idle.
struct ExplainMsg {
  uint64_t req = 0;
  std::string job;
  std::string task;    // of the block; empty: the only one of the job
  CantorId block = 0;  // the block's id
  WorkerId worker;
  bool operator==(const ExplainMsg&) const = default;
};

// ---- broker to client ----

struct SubmittedMsg {
  uint64_t req = 0;
  std::string job;
  bool resumed = false;  // it continues after an earlier run, or still runs
  uint64_t done = 0;     // blocks that were completed already
  std::string run;       // as in `launch`
  bool operator==(const SubmittedMsg&) const = default;
};

struct JobsMsg {
  uint64_t req = 0;
  std::vector<JobStatus> jobs;
  bool operator==(const JobsMsg&) const = default;
};

struct CancelledMsg {
  uint64_t req = 0;
  std::string job;
  bool operator==(const CancelledMsg&) const = default;
};

struct RetriedMsg {
  uint64_t req = 0;
  std::string job;
  uint64_t blocks = 0;  // how many had failed
  bool operator==(const RetriedMsg&) const = default;
};

/// The request was carried out.
struct OkMsg {
  uint64_t req = 0;
  bool operator==(const OkMsg&) const = default;
};

struct ProgressMsg {
  uint64_t req = 0;
  JobStatus status;
  uint64_t dropped = 0;  // messages left out so far, since the peer does not read
  bool operator==(const ProgressMsg&) const = default;
};

/// The last message of a watch.
struct EndedMsg {
  uint64_t req = 0;
  JobStatus status;
  bool operator==(const EndedMsg&) const = default;
};

struct ExplainedMsg {
  uint64_t req = 0;
  std::string summary;  // the result, in one sentence
  std::vector<ExplainStep> steps;
  bool operator==(const ExplainedMsg&) const = default;
};

// ---- broker to launcher ----

/// Start one worker.
struct LaunchMsg {
  WorkerId worker;
  std::string job;
  std::string task;
  std::vector<std::string> command;
  Environment env;
  std::string cwd;
  std::string log_dir;
  std::string run;  // files go to <log_dir>/<run>/<task>/worker_<id>.{out,err}
  bool operator==(const LaunchMsg&) const = default;
};

/// End a worker's process group: TERM, and KILL after `grace_ms`.
struct StopMsg {
  WorkerId worker;
  uint32_t grace_ms = 5000;
  bool operator==(const StopMsg&) const = default;
};

// ---- launcher to broker ----

struct LaunchedMsg {
  WorkerId worker;
  int64_t pid = 0;
  bool operator==(const LaunchedMsg&) const = default;
};

/// A worker is gone, or could not be started (`start_error` not empty).
struct ExitedMsg {
  WorkerId worker;
  int32_t exit_code = 0;
  int32_t signal = 0;  // 0: it exited by itself
  std::string start_error;
  std::string stderr_tail;
  std::vector<WorkingOn> working;  // what its connections had noted, if anything
  bool operator==(const ExitedMsg&) const = default;
};

using AnyMessage =
    std::variant<HelloMsg, PingMsg, ByeMsg, AcquireMsg, ReleaseMsg, WelcomeMsg, WorkMsg, DrainMsg,
                 LeaveMsg, PongMsg, ErrorMsg, SubmitMsg, StatusMsg, CancelMsg, WatchMsg,
                 SubmittedMsg, JobsMsg, CancelledMsg, ProgressMsg, EndedMsg, LaunchMsg, StopMsg,
                 LaunchedMsg, ExitedMsg, ExplainMsg, ExplainedMsg, CommittedMsg, RetryFailedMsg,
                 RetriedMsg, PauseMsg, ResumeMsg, SetWorkersMsg, OkMsg, WorkerGoneMsg, RecallMsg>;

/// One message. This is a class rather than the variant itself, so that the functions that copy,
/// move and destroy it are compiled only once, in messages.cc, which takes seconds.
struct Message : AnyMessage {
  using AnyMessage::AnyMessage;
  Message();
  Message(const Message&);
  Message(Message&&) noexcept;
  Message& operator=(const Message&);
  Message& operator=(Message&&) noexcept;
  ~Message();
};

inline constexpr size_t kMessageKinds = std::variant_size_v<AnyMessage>;

/// The message's kind on the wire, such as "acquire".
const char* KindName(const Message& message);

/// The leases of all blocks that the message hands out.
std::vector<LeaseId> LeasesOf(const WorkMsg& work);

/// The field `req`, which a request and its answer share; 0 if the message has none.
uint64_t RequestNumber(const Message& message);

}  // namespace bellis
