// bellis run: runs one pipeline to its end, with a broker and workers of its own.

#include <fmt/format.h>
#include <signal.h>

#include <cctype>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "common/task/no_blocks.h"
#include "common/task/status_json.h"
#include "common/text/printable.h"
#include "tools/commands.h"
#include "tools/exit_code.h"
#include "tools/interrupt.h"
#include "tools/local_broker.h"
#include "tools/pipeline_file.h"
#include "tools/status_text.h"
#include "tools/stored_job.h"
#include "tools/summary.h"
#include "tools/text.h"
#include "tools/watch_job.h"

namespace bellis {
namespace {

struct RunOptions {
  PipelineOptions pipeline;
  bool json = false;
  bool quiet = false;
  StoredOptions stored;
  std::string state_dir;
  std::string durability = "full";
  std::string resources;
  uint64_t job_memory_max = 0;
  std::string bind;
};

/// Watches until the job ends. The first Ctrl-C cancels the job, the second one stops waiting for
/// it.
class RunWatch {
 public:
  explicit RunWatch(ProgressPrinter& printer) : printer_(printer) {}

  Result<JobStatus> ToTheEnd(Control& control, const std::string& job) {
    return WatchJob(control, job, ProgressOutput::kNone, printer_, [this] { return Tick(); });
  }

 private:
  WatchOrder Tick() {
    if (InterruptCount() >= 2) return WatchOrder::kStop;
    if (InterruptCount() == 1) {
      if (!cancelled_) printer_.Say("bellis: cancelling; press again to stop at once");
      cancelled_ = true;
      return WatchOrder::kCancel;
    }
    return WatchOrder::kGoOn;
  }

  ProgressPrinter& printer_;
  bool cancelled_ = false;
};

/// Tells the user the endpoint of this run, which external workers need.
void InviteExternalWorkers(const JobSpec& spec, const std::string& job, const LocalBroker& broker,
                           ProgressPrinter& printer) {
  const bool by_file = !broker.access_file().empty();
  const std::string where = by_file ? "BELLIS_ACCESS='" + broker.access_file() + "'"
                                    : "BELLIS_ENDPOINT='" + broker.endpoint() + "'";
  for (const TaskSpec& task : spec.tasks) {
    if (!task.external_workers) continue;
    const std::string name = Printable(task.task_id);
    printer.Say(
        fmt::format("bellis: task '{}' takes workers started with {} BELLIS_JOB='{}' "
                    "BELLIS_TASK='{}'",
                    name, where, job, name));
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
  const Access access = broker.access();
  Result<Control> control =
      Control::Connect({access.endpoint, access.token, Duration::Seconds(5), access.keys});
  if (!control.ok()) return Complain(control.error());
  const Result<Submitted> answer =
      SubmitStored(*control, spec, options.stored, !options.json && !options.quiet && CanAsk());
  if (!answer.ok()) return Complain(answer.error());
  if (answer->resumed && !options.quiet) printer.Say(ResumedText(*answer));
  for (const std::string& warning : NoBlocksWarnings(spec)) {
    printer.Say("bellis: warning: " + warning);
  }
  InviteExternalWorkers(spec, answer->job, broker, printer);
  const Result<JobStatus> last = RunWatch(printer).ToTheEnd(*control, answer->job);
  if (!last.ok()) return Complain(last.error());
  const bool ended = last->state != JobState::kRunning;
  if (ended) PrintEnd(options, *last);
  if (ended && last->state == JobState::kCompleted) return kExitOk;
  return InterruptCount() > 0 ? kExitSignal + InterruptSignal() : ExitCodeFor(*last);
}

/// The state directory: one for each job name, in the current directory, like logs.
std::string StateDirOf(const RunOptions& options, const JobSpec& spec) {
  if (options.durability == "off") return "";
  if (!options.state_dir.empty()) return options.state_dir;
  const bool named = spec.name != JobSpec().name;
  std::string name;
  for (const char c :
       named ? spec.name : std::filesystem::path(options.pipeline.path).stem().string()) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_';
    name += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return "bellis_state/" + name;
}

int Run(const RunOptions& options) {
  const Result<JobSpec> spec = LoadPipeline(options.pipeline);
  if (!spec.ok()) {
    Complain(spec.error());
    return kExitBadInput;
  }
  const Result<Resources> resources = ParseResources(options.resources);
  if (!resources.ok()) {
    Complain(resources.error());
    return kExitBadInput;
  }
  CatchInterrupts();
  const bool silent = options.json || options.quiet;
  ProgressPrinter printer(silent ? ProgressPrinter::Style::kNone
                                 : ProgressPrinter::StyleOfStderr());
  LogWarningsTo([&printer, &options](const std::string& line) {
    if (!options.quiet) printer.Say(line);
  });
  ServerOptions server_options;
  server_options.state_dir = StateDirOf(options, *spec);
  server_options.only_job = spec->name;
  server_options.sync = options.durability == "full";
  server_options.resources = *resources;
  server_options.job_memory_max = options.job_memory_max;
  server_options.endpoint = options.bind;
  Result<std::unique_ptr<LocalBroker>> broker = LocalBroker::Start(std::move(server_options));
  if (!broker.ok()) return Complain(broker.error());
  ::signal(SIGPIPE, SIG_IGN);  // so that the job goes on if the reader of the output ends
  const int exit_code = RunJob(options, *spec, **broker, printer);
  const Status stored = (*broker)->Stop(/*at_once=*/InterruptCount() >= 2);
  LogWarningsTo([](const std::string&) {});  // the printer is destroyed next
  if (!stored.ok()) Complain(stored.error());
  return stored.ok() ? exit_code : kExitSystem;
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
  command->add_option(
      "--log-dir", options->pipeline.log_dir,
      "where worker logs go, each run into a folder of its own, the last one \"latest\" "
      "(default: the file's log_dir, else ./bellis_logs)");
  AddStoredOptions(command, &options->stored);
  command->add_option("--state-dir", options->state_dir,
                      "where progress is kept, so that an interrupted run can be resumed (default: "
                      "./bellis_state/NAME)");
  command
      ->add_option("--durability", options->durability,
                   "full: progress survives a power cut; os: the end of this program; off: "
                   "nothing is kept")
      ->check(CLI::IsMember({"full", "os", "off"}))
      ->capture_default_str();
  command->add_option("--resources", options->resources,
                      "what all workers may take together, as in gpu=2,cpu=8 (default: nothing is "
                      "counted)");
  command
      ->add_option("--job-memory-max", options->job_memory_max,
                   "memory that the job's schedule may take, as in 4GB; a job that would take more "
                   "is refused (bellis plan says how much one takes; default: half of the memory "
                   "that this process may have)")
      ->transform(CLI::AsSizeValue(true))
      ->envname("BELLIS_JOB_MEMORY_MAX");
  command
      ->add_option("--bind", options->bind,
                   "tcp://HOST:PORT to listen at, PORT 0 for a free one, for workers whose ZeroMQ "
                   "has no ipc, as in Java; encrypted (default: a socket that only you can reach)")
      ->check([](const std::string& text) {
        return text.starts_with("tcp://") ? "" : "is '" + text + "'; tcp://HOST:PORT is expected";
      });
  command->footer(kExitCodeHelp);
  command->callback([options, exit_code] { *exit_code = Run(*options); });
}

}  // namespace bellis
