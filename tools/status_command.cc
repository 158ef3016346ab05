// bellis status: how jobs stand.

#include <sys/ioctl.h>
#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>

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

/// Columns of the terminal; 0 where stdout is none.
int WidthOfStdout() {
  winsize size{};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

int ShowStatus(const StatusOptions& options) {
  Result<Control> control = ConnectTo(options.broker);
  if (!control.ok()) return Complain(control.error());
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
  CLI::App* command = app->add_subcommand("jobs", "all jobs that the broker knows");
  command->add_flag("--json", options->json, "one JSON object a job, a line each");
  AddBrokerOptions(command, &options->broker);
  command->callback([options, exit_code] { *exit_code = ShowStatus(*options); });
}

void AddStatusCommand(CLI::App* app, int* exit_code) {
  auto options = std::make_shared<StatusOptions>();
  CLI::App* command = app->add_subcommand("status", "how one job stands, or all of them");
  command->add_option("job", options->job, "id or name of a job; none: all jobs");
  command->add_flag("--json", options->json, "one JSON object a job, a line each");
  AddBrokerOptions(command, &options->broker);
  command->callback([options, exit_code] { *exit_code = ShowStatus(*options); });
}

}  // namespace bellis
