// bellis run: one pipeline, from here to its end, with a broker and workers of its own.

#include <fmt/format.h>
#include <signal.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "tools/commands.h"
#include "tools/exit_code.h"
#include "tools/interrupt.h"
#include "tools/local_broker.h"
#include "tools/pipeline_file.h"
#include "tools/status_text.h"
#include "tools/summary.h"
#include "tools/text.h"
#include "tools/watch_job.h"

namespace bellis {
namespace {

struct RunOptions {
  PipelineOptions pipeline;
  bool json = false;
  bool quiet = false;
};

/// Watches until the job ends. Ctrl-C once cancels it, twice gives up the wait.
class RunWatch {
 public:
  RunWatch(LocalBroker& broker, ProgressPrinter& printer) : broker_(broker), printer_(printer) {}

  Result<JobStatus> ToTheEnd(Control& control, const std::string& job) {
    Result<JobStatus> last =
        WatchJob(control, job, ProgressOutput::kNone, printer_, [this] { return Tick(); });
    if (!launcher_lost_) return last;
    return Error{ErrorCode::kIo, "the launcher of the workers ended unexpectedly"};
  }

 private:
  WatchOrder Tick() {
    if (InterruptCount() >= 2) return WatchOrder::kStop;
    if (InterruptCount() == 1) {
      if (!cancelled_) printer_.Say("bellis: cancelling; press again to stop at once");
      cancelled_ = true;
      return WatchOrder::kCancel;
    }
    launcher_lost_ = broker_.LauncherIsGone();
    return launcher_lost_ ? WatchOrder::kStop : WatchOrder::kGoOn;
  }

  LocalBroker& broker_;
  ProgressPrinter& printer_;
  bool cancelled_ = false;
  bool launcher_lost_ = false;
};

/// Nobody else knows the endpoint of this run: whoever starts workers by hand needs it.
void InviteExternalWorkers(const JobSpec& spec, const std::string& job, const std::string& endpoint,
                           ProgressPrinter& printer) {
  for (const TaskSpec& task : spec.tasks) {
    if (!task.external_workers) continue;
    const std::string name = Printable(task.task_id);
    printer.Say(
        fmt::format("bellis: task '{}' takes workers started with BELLIS_ENDPOINT='{}' "
                    "BELLIS_JOB='{}' BELLIS_TASK='{}'",
                    name, endpoint, job, name));
  }
}

void PrintEnd(const RunOptions& options, const JobStatus& status) {
  if (options.json) {
    Print(JsonLine(StatusToJson(status)) + "\n");
  } else if (!options.quiet || status.state != JobState::kCompleted) {
    Print(SummaryText(status));
  }
}

int RunJob(const RunOptions& options, const JobSpec& spec, LocalBroker& broker,
           ProgressPrinter& printer) {
  Result<Control> control = Control::Connect({broker.endpoint(), "", Duration::Seconds(5)});
  if (!control.ok()) return Complain(control.error());
  const Result<std::string> job = control->Submit(spec);
  if (!job.ok()) return Complain(job.error());
  InviteExternalWorkers(spec, *job, broker.endpoint(), printer);
  const Result<JobStatus> last = RunWatch(broker, printer).ToTheEnd(*control, *job);
  if (!last.ok()) return Complain(last.error());
  const bool ended = last->state != JobState::kRunning;
  if (ended) PrintEnd(options, *last);
  if (ended && last->state == JobState::kCompleted) return kExitOk;
  return InterruptCount() > 0 ? kExitSignal + InterruptSignal() : ExitCodeFor(*last);
}

int Run(const RunOptions& options) {
  const Result<JobSpec> spec = LoadPipeline(options.pipeline);
  if (!spec.ok()) {
    Complain(spec.error());
    return kExitBadInput;
  }
  CatchInterrupts();
  const bool silent = options.json || options.quiet;
  ProgressPrinter printer(silent ? ProgressPrinter::Style::kNone
                                 : ProgressPrinter::StyleOfStderr());
  LogWarningsTo([&printer, &options](const std::string& line) {
    if (!options.quiet) printer.Say(line);
  });
  Result<std::unique_ptr<LocalBroker>> broker = LocalBroker::Start();
  if (!broker.ok()) return Complain(broker.error());
  ::signal(SIGPIPE, SIG_IGN);  // a reader of our output that leaves does not end the job
  const int exit_code = RunJob(options, *spec, **broker, printer);
  (*broker)->Stop(/*at_once=*/InterruptCount() >= 2);
  LogWarningsTo([](const std::string&) {});  // the printer goes
  return exit_code;
}

}  // namespace

void AddRunCommand(CLI::App* app, int* exit_code) {
  auto options = std::make_shared<RunOptions>();
  CLI::App* command = app->add_subcommand(
      "run", "run a pipeline on this machine, with a broker and workers of its own");
  command->add_option("pipeline", options->pipeline.path, "pipeline file (TOML)")->required();
  command->add_flag("--serial", options->pipeline.serial, "one block at a time, in serial order");
  command->add_flag("--json", options->json,
                    "no progress; the job's last status as JSON on stdout");
  command->add_flag("--quiet,-q", options->quiet, "no progress; a summary only if blocks failed");
  command->add_option("--log-dir", options->pipeline.log_dir,
                      "where worker logs go (default: the file's log_dir, else ./bellis_logs)");
  command->footer(kExitCodeHelp);
  command->callback([options, exit_code] { *exit_code = Run(*options); });
}

}  // namespace bellis
