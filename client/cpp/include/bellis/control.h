#pragma once

// Scripting a broker: submit a job, look at it, watch it, steer it, cancel it.
//
// Example:
//
//     #include <bellis/control.h>
//     #include <bellis/pipeline_file.h>
//
//     #include <iostream>
//
//     int main() {
//       const auto job = bellis::ReadPipelineFile("pipeline.toml");
//       const auto options = bellis::ControlOptions::FromEnvironment();
//       if (!job || !options) return 2;
//       auto control = bellis::Control::Connect(*options);
//       if (!control) return 3;
//       const auto submitted = control->Submit(*job);
//       if (!submitted) {
//         std::cerr << submitted.error().message << "\n";
//         return 2;
//       }
//       bellis::WatchOptions watch;
//       watch.progress = [](const bellis::JobStatus& status) {
//         std::cout << status.tasks[0].counts.completed << " blocks completed\n";
//       };
//       const auto ended = control->Watch(submitted->job, watch);
//       return ended && ended->state == bellis::JobState::kCompleted ? 0 : 1;
//     }
//
// TIME. Every call waits for one answer of the broker: a round trip, or an error after
// ControlOptions::timeout. Watch goes on for as long as the job does, but notices within a few
// seconds that the broker is gone. A broker that was started again is greeted anew.
//
// ERRORS. kTimeout: no answer in time, with the reason where it can be told. What the broker
// refuses is returned with the broker's code and words; nothing was changed then. Each function
// names what it adds to these.
//
// THREADS. A Control belongs to one thread. It starts none of its own beside the socket's.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bellis/access.h"
#include "bellis/duration.h"
#include "bellis/export.h"
#include "bellis/ids.h"
#include "bellis/job_spec.h"
#include "bellis/job_status.h"
#include "bellis/result.h"

namespace bellis {

/// Which broker, and for how long to wait for it.
struct BELLIS_API ControlOptions {
  std::string endpoint;  // "ipc://PATH" or "tcp://HOST:PORT"
  std::string token;     // where the broker asks for one
  Duration timeout = Duration::Seconds(5);
  CurveKeys keys;  // of tcp; none: nothing is encrypted

  /// From BELLIS_ENDPOINT, the variables of FindAccess (access.h) and BELLIS_CONNECT_TIMEOUT; the
  /// endpoint that nobody names is the one at which a broker of this user listens by default.
  /// Errors: kInvalidSpec, naming the variable; those of FindAccess.
  static Result<ControlOptions> FromEnvironment();
};

/// What a watcher wants next.
enum class WatchOrder {
  kGoOn,
  kCancel,  // cancel the job, and watch it end
  kStop,    // stop watching; the job runs on
};

/// How to follow a job. The functions are called in the thread that called Watch.
struct WatchOptions {
  uint32_t interval_ms = 200;  // between two calls of `progress`, at least; 20 to 60,000
  std::function<void(const JobStatus&)> progress;
  /// Asked every `tick_interval`, and as soon as a signal came.
  std::function<WatchOrder()> tick;
  Duration tick_interval = Duration::Millis(200);
};

/// Whether a submitted job goes on with what a broker has stored under its name.
enum class Stored {
  kGoOn,      // the job goes on
  kGoOnSame,  // it does if JobOrigin::files are the same
  kForget,    // it starts over
};

/// What became of a submit.
struct Submitted {
  std::string job;       // the id by which the broker knows it
  bool resumed = false;  // it goes on where an earlier run of it ended, or still runs
  uint64_t done = 0;     // blocks that were completed before
  std::string run;       // the folder of its logs, below its log_dir
  bool operator==(const Submitted&) const = default;
};

/// A connection to a broker. Owns its socket.
class BELLIS_API Control {
 public:
  /// Connects and says hello. Errors: kTimeout, no broker answers; what the broker refuses.
  static Result<Control> Connect(ControlOptions options);

  Control(Control&&) noexcept;
  Control& operator=(Control&&) noexcept;
  ~Control();

  /// The job's id, and whether it goes on where an earlier run of it stopped (a broker with a state
  /// directory knows a job by its name). Errors: kTooLarge, without sending it; kDifferentLayout,
  /// the stored job has other blocks; kDifferentPrograms, with kGoOnSame; kInvalidSpec and others,
  /// from the broker. On kTimeout it is not known whether the broker took the job.
  Result<Submitted> Submit(const JobSpec& spec, Stored stored = Stored::kGoOn);

  /// Opens failed and orphaned blocks again, and returns how many blocks are open. A job that had
  /// ended runs again, with all that it had left to do. Errors: kUnknownJob; kStorage, it has
  /// ended, and the broker has no state directory.
  Result<uint64_t> RetryFailed(const std::string& job);

  /// How one job stands, or all of them when `job` is empty.
  Result<std::vector<JobStatus>> Jobs(const std::string& job = "");

  /// Ends the job: nothing of it is handed out any more, its workers are stopped, and `reason`
  /// stands in its status. One that has ended stays as it is. Errors: kUnknownJob.
  Status Cancel(const std::string& job, const std::string& reason);

  /// Nothing of the job, or of that task of it, is handed out until Resume; what is out goes on.
  /// Errors: kUnknownJob, also for one that has ended; kUnknownTask.
  Status Pause(const std::string& job, const std::string& task = "");
  Status Resume(const std::string& job, const std::string& task = "");

  /// From now on the broker has `count` workers of the `group`th [[tasks.workers]] of the task
  /// started; those too many leave after their block. `task` may be empty when the job has one.
  /// Errors: kUnknownJob, kUnknownTask; kInvalidSpec, no such group or count.
  Status SetWorkers(const std::string& job, const std::string& task, uint32_t count,
                    uint32_t group = 0);

  /// The process of this worker has ended, and you vouch for it: its leases are over, and it is not
  /// taken back. For workers without heartbeats on machines that are gone. Errors: kUnknownWorker;
  /// kWorkerAlive, changing nothing: it is there, or its end will be noticed without you.
  Status WorkerGone(WorkerId worker);

  /// Why a block does not run: the chain of what it waits for. `task` may be empty when the job has
  /// one. Errors: kUnknownJob, kUnknownTask; kInvalidSpec, no such block.
  Result<Explanation> ExplainBlock(const std::string& job, const std::string& task, CantorId block);
  /// Why a worker is idle. Errors: kUnknownJob, kUnknownWorker.
  Result<Explanation> ExplainWorker(const std::string& job, WorkerId worker);

  /// Follows the job to its end and returns its last status; where `tick` said kStop, the latest
  /// that is known (its state is then kRunning). Errors: kUnknownJob; kTimeout, broker lost.
  Result<JobStatus> Watch(const std::string& job, const WatchOptions& watch);

  /// Whether the broker answers.
  Status Ping();

 private:
  class Impl;
  explicit Control(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;  // null only in one that was moved from
};

}  // namespace bellis
