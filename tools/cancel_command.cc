// bellis cancel: ends a job; blocks that run are stopped.

#include <memory>

#include "tools/commands.h"
#include "tools/exit_code.h"

namespace bellis {
namespace {

struct CancelOptions {
  BrokerAddress broker;
  std::string job;
  std::string reason = "cancelled by its user";
};

int Cancel(const CancelOptions& options) {
  Result<Control> control = ConnectTo(options.broker);
  if (!control.ok()) return Complain(control.error());
  const Status cancelled = control->Cancel(options.job, options.reason);
  return cancelled.ok() ? kExitOk : Complain(cancelled.error());
}

}  // namespace

void AddCancelCommand(CLI::App* app, int* exit_code) {
  auto options = std::make_shared<CancelOptions>();
  CLI::App* command = app->add_subcommand("cancel", "end a job; its unfinished blocks are not run");
  command->add_option("job", options->job, "id or name of the job")->required();
  command->add_option("--reason", options->reason, "shown in the job's status")
      ->capture_default_str();
  AddBrokerOptions(command, &options->broker);
  command->callback([options, exit_code] { *exit_code = Cancel(*options); });
}

}  // namespace bellis
