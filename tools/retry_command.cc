// bellis retry-failed: tries the failed blocks of a job again.

#include <fmt/format.h>

#include <memory>

#include "tools/commands.h"
#include "tools/exit_code.h"
#include "tools/watch_job.h"

namespace bellis {
namespace {

struct RetryOptions {
  BrokerAddress broker;
  std::string job;
};

int RetryFailed(const RetryOptions& options) {
  Result<Control> control = ConnectTo(options.broker);
  if (!control.ok()) return Complain(control.error());
  const Result<uint64_t> blocks = control->RetryFailed(options.job);
  if (!blocks.ok()) return Complain(blocks.error());
  Print(fmt::format("{} blocks are open again\n", *blocks));
  return kExitOk;
}

}  // namespace

void AddRetryCommand(CLI::App* app, int* exit_code) {
  auto options = std::make_shared<RetryOptions>();
  CLI::App* command = app->add_subcommand(
      "retry-failed", "try the failed blocks of a job again, and the blocks that depend on them");
  command->add_option("job", options->job, "id or name of the job")->required();
  AddBrokerOptions(command, &options->broker);
  command->callback([options, exit_code] { *exit_code = RetryFailed(*options); });
}

}  // namespace bellis
