// bellis status: shows the status of jobs.

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "common/task/status_json.h"
#include "tools/commands.h"
#include "tools/exit_code.h"
#include "tools/status_text.h"
#include "tools/summary.h"
#include "tools/watch_job.h"

namespace bellis {
namespace {

struct StatusOptions {
  BrokerAddress broker;
  std::string job;
  bool json = false;
};

/// The width of the terminal; 0 if stdout is not a terminal.
int WidthOfStdout() {
  winsize size{};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

/// Warns if the broker was started with --insecure.
void WarnIfNotEncrypted(const BrokerAddress& broker) {
  const Result<Access> access = AccessOf(broker);
  if (!access.ok() || !access->endpoint.starts_with("tcp://") || !access->keys.empty()) return;
  std::fprintf(
      stderr,
      "bellis: warning: the connection to the broker at %s is not encrypted: whoever reads "
      "its traffic can run code there\n",
      access->endpoint.c_str());
}

int ShowStatus(const StatusOptions& options) {
  Result<Control> control = ConnectTo(options.broker);
  if (!control.ok()) return Complain(control.error());
  WarnIfNotEncrypted(options.broker);
  const Result<std::vector<JobStatus>> jobs = control->Jobs(options.job);
  if (!jobs.ok()) return Complain(jobs.error());
  if (options.json) {
    for (const JobStatus& job : *jobs) Print(JsonLine(StatusToJson(job)) + "\n");
  } else if (options.job.empty()) {
    Print(JobTable(*jobs, WidthOfStdout()));
  } else {
    for (const JobStatus& job : *jobs) {
      Print(job.state == JobState::kRunning ? JobDetails(job, WidthOfStdout()) : SummaryText(job));
    }
  }
  return kExitOk;
}

}  // namespace

void AddJobsCommand(CLI::App* app, int* exit_code) {
  auto options = std::make_shared<StatusOptions>();
  CLI::App* command = app->add_subcommand("jobs", "list all jobs that the broker knows");
  command->add_flag("--json", options->json, "one JSON object a job, a line each");
  AddBrokerOptions(command, &options->broker);
  command->callback([options, exit_code] { *exit_code = ShowStatus(*options); });
}

void AddStatusCommand(CLI::App* app, int* exit_code) {
  auto options = std::make_shared<StatusOptions>();
  CLI::App* command = app->add_subcommand("status", "show the status of one job, or of all");
  command->add_option("job", options->job, "id or name of a job; none: all jobs");
  command->add_flag("--json", options->json, "one JSON object a job, a line each");
  AddBrokerOptions(command, &options->broker);
  command->callback([options, exit_code] { *exit_code = ShowStatus(*options); });
}

}  // namespace bellis
