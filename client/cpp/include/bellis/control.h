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
// ControlOptions::timeout. Watch lasts as long as the job, but notices within a few seconds if the
// broker is gone. After a restart of the broker, Control says hello to it again.
//
// ERRORS. kTimeout: no answer in time, with the reason if it is known. If the broker refuses a
// request, the error has the broker's code and words, and nothing was changed. Each function names
// the errors that it adds to these.
//
// THREADS. A Control belongs to one thread. It starts no thread except those of the socket.

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

/// Which broker to connect to, and how long to wait for it.
struct BELLIS_API ControlOptions {
  std::string endpoint;  // "ipc://PATH" or "tcp://HOST:PORT"
  std::string token;     // if the broker requires one
  Duration timeout = Duration::Seconds(5);
  CurveKeys keys;  // for tcp; empty: no encryption

  /// Reads BELLIS_ENDPOINT, the variables of FindAccess (access.h) and BELLIS_CONNECT_TIMEOUT. If
  /// none of them gives an endpoint, it is the one at which a broker of this user listens by
  /// default. Errors: kInvalidSpec, naming the variable; those of FindAccess.
  static Result<ControlOptions> FromEnvironment();
};

/// What Watch is to do next.
enum class WatchOrder {
  kGoOn,
  kCancel,  // cancel the job, and watch it end
  kStop,    // stop watching; the job runs on
};

/// How to follow a job. The functions are called in the thread that called Watch.
struct WatchOptions {
  uint32_t interval_ms = 200;  // between two calls of `progress`, at least; 20 to 60,000
  std::function<void(const JobStatus&)> progress;
  /// Called every `tick_interval`, and as soon as a signal has come.
  std::function<WatchOrder()> tick;
  Duration tick_interval = Duration::Millis(200);
};

/// Whether a submitted job continues a job that the broker has stored under its name.
enum class Stored {
  kGoOn,      // it continues the stored job
  kGoOnSame,  // it continues if JobOrigin::files are the same
  kForget,    // it starts over
};

/// The answer to a submit.
struct Submitted {
  std::string job;       // the id by which the broker knows it
  bool resumed = false;  // it continues after an earlier run, or still runs
  uint64_t done = 0;     // blocks that were completed already
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

  /// Submits a job. Returns its id, and whether it continues after an earlier run (a broker with a
  /// state directory knows a job by its name). Errors: kTooLarge, nothing was sent;
  /// kDifferentLayout, the stored job has other blocks; kDifferentPrograms, with kGoOnSame;
  /// kInvalidSpec and others, from the broker. After kTimeout it is unknown whether the broker has
  /// accepted the job.
  Result<Submitted> Submit(const JobSpec& spec, Stored stored = Stored::kGoOn);

  /// Opens failed and orphaned blocks again, and returns how many blocks are open. A job that had
  /// ended runs again, with all its unfinished blocks. Errors: kUnknownJob; kStorage, the job has
  /// ended, and the broker has no state directory.
  Result<uint64_t> RetryFailed(const std::string& job);

  /// The status of one job, or of all jobs if `job` is empty.
  Result<std::vector<JobStatus>> Jobs(const std::string& job = "");

  /// Ends the job: no block is handed out any more, its workers are stopped, and `reason` is put in
  /// its status. A job that has ended stays as it is. Errors: kUnknownJob.
  Status Cancel(const std::string& job, const std::string& reason);

  /// No block of the job, or of that task, is handed out until Resume; leased blocks go on. Errors:
  /// kUnknownJob, also if the job has ended; kUnknownTask.
  Status Pause(const std::string& job, const std::string& task = "");
  Status Resume(const std::string& job, const std::string& task = "");

  /// Sets how many workers of a group the broker starts. `group` is the position in the task's
  /// [[tasks.workers]], from 0. Surplus workers leave after their block. `task` may be empty if the
  /// job has only one. Errors: kUnknownJob, kUnknownTask; kInvalidSpec, no such group, or an
  /// invalid count.
  Status SetWorkers(const std::string& job, const std::string& task, uint32_t count,
                    uint32_t group = 0);

  /// States that the process of this worker has ended: the broker ends its leases, and does not
  /// take it back. For workers without heartbeats on machines that are gone. Errors:
  /// kUnknownWorker; kWorkerAlive, changing nothing: the worker is alive, or the broker will notice
  /// its end by itself.
  Status WorkerGone(WorkerId worker);

  /// Why a block does not run: the chain of blocks that it waits for. `task` may be empty if the
  /// job has only one. Errors: kUnknownJob, kUnknownTask; kInvalidSpec, no such block.
  Result<Explanation> ExplainBlock(const std::string& job, const std::string& task, CantorId block);
  /// Why a worker is idle. Errors: kUnknownJob, kUnknownWorker.
  Result<Explanation> ExplainWorker(const std::string& job, WorkerId worker);

  /// Follows the job to its end and returns its last status. If `tick` returned kStop, returns the
  /// latest known status (whose state is kRunning). Errors: kUnknownJob; kTimeout, the broker is
  /// lost.
  Result<JobStatus> Watch(const std::string& job, const WatchOptions& watch);

  /// Checks that the broker answers.
  Status Ping();

 private:
  class Impl;
  explicit Control(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;  // null only after a move
};

}  // namespace bellis
