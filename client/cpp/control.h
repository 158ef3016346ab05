#pragma once

// Scripting a broker: submit a job, look at it, watch it, cancel it.
//
//     auto control = bellis::Control::Connect({.endpoint =
//     "ipc:///run/user/1000/bellis/broker.sock"}); auto job = control->Submit(spec); auto status =
//     control->Watch(*job, {});
//
// Every call is answered or fails within ControlOptions::timeout; Watch goes on for as long as the
// job does, but notices within a few seconds that the broker is gone. A Control belongs to one
// thread.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "client/cpp/connection.h"
#include "common/protocol/messages.h"
#include "common/result.h"
#include "common/task/job_spec.h"
#include "common/task/status.h"

namespace bellis {

struct ControlOptions {
  std::string endpoint;
  std::string token;
  Duration timeout = Duration::Seconds(5);
  CurveKeys keys;  // none: nothing is encrypted
};

/// What a watcher wants next.
enum class WatchOrder {
  kGoOn,
  kCancel,  // cancel the job, and watch it end
  kStop,    // stop watching; the job runs on
};

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
  kGoOnSame,  // it does if the programs are the same (common/task/programs.h)
  kForget,    // it starts over
};

class Control {
 public:
  /// Connects and says hello. Errors: kTimeout, no broker answers; what the broker refuses.
  static Result<Control> Connect(ControlOptions options);

  Control(Control&&) noexcept = default;
  Control& operator=(Control&&) noexcept = default;

  /// The job's id, and whether it goes on where an earlier run of it stopped (a broker with a state
  /// directory knows a job by its name). Errors: kTooLarge, without sending it; kDifferentLayout,
  /// the stored job has other blocks; kDifferentPrograms, with kGoOnSame; kInvalidSpec and others,
  /// from the broker. On kTimeout it is not known whether the broker took the job.
  Result<SubmittedMsg> Submit(const JobSpec& spec, Stored stored = Stored::kGoOn);

  /// Opens failed and orphaned blocks again, and returns how many blocks are open. A job that had
  /// ended runs again, with all that it had left to do. Errors: kUnknownJob; kStorage, it has
  /// ended, and the broker has no state directory.
  Result<uint64_t> RetryFailed(const std::string& job);

  /// How one job stands, or all of them when `job` is empty.
  Result<std::vector<JobStatus>> Jobs(const std::string& job = "");

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
  Result<ExplainedMsg> ExplainBlock(const std::string& job, const std::string& task,
                                    CantorId block);
  /// Why a worker is idle. Errors: kUnknownJob, kUnknownWorker.
  Result<ExplainedMsg> ExplainWorker(const std::string& job, WorkerId worker);

  /// Follows the job to its end and returns its last status; where `tick` said kStop, the latest
  /// that is known (its state is then kRunning). Errors: kUnknownJob; kTimeout, broker lost.
  Result<JobStatus> Watch(const std::string& job, const WatchOptions& watch);

  /// Whether the broker answers.
  Status Ping();

 private:
  Control(ControlOptions options, Connection connection);

  Status Greet(Instant until);
  template <typename AnswerMsg>
  Result<AnswerMsg> AskFor(Message request);
  /// Sends `request` and waits for the answer that carries its number.
  Result<Message> Ask(const Message& request, uint64_t req);
  Result<Message> AwaitAnswer(const Message& request, uint64_t req, Instant until);
  Result<std::optional<JobStatus>> HandleWatched(Message message, const WatchOptions& watch,
                                                 const Message& request, JobStatus* latest);
  Error NoAnswer() const;

  ControlOptions options_;
  Connection connection_;
  uint64_t last_req_ = 0;
};

}  // namespace bellis
