// bellis watch: follows a job to its end.

#include <memory>

#include "tools/commands.h"
#include "tools/exit_code.h"
#include "tools/watch_job.h"

namespace bellis {
namespace {

struct WatchCommandOptions {
  BrokerAddress broker;
  std::string job;
  bool json = false;
};

int Watch(const WatchCommandOptions& options) {
  Result<Control> control = ConnectTo(options.broker);
  if (!control.ok()) return Complain(control.error());
  return WatchToTheEnd(*control, options.job, options.json);
}

}  // namespace

void AddWatchCommand(CLI::App* app, int* exit_code) {
  auto options = std::make_shared<WatchCommandOptions>();
  CLI::App* command = app->add_subcommand(
      "watch", "follow a job to its end; Ctrl-C stops watching, and the job runs on");
  command->add_option("job", options->job, "id or name of the job")->required();
  command->add_flag("--json", options->json, "JSON lines on stdout, one a change");
  AddBrokerOptions(command, &options->broker);
  command->callback([options, exit_code] { *exit_code = Watch(*options); });
}

}  // namespace bellis
