// bellis worker-gone: tells the broker that a worker's process has ended, if the broker cannot
// know.

#include <memory>

#include "tools/commands.h"
#include "tools/exit_code.h"

namespace bellis {

void AddWorkerGoneCommand(CLI::App* app, int* exit_code) {
  struct Options {
    BrokerAddress broker;
    uint64_t worker = 0;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* command =
      app->add_subcommand("worker-gone",
                          "state that a worker's process has ended; for workers without heartbeats "
                          "whose machine is gone (bellis explain names them)");
  command->add_option("worker", options->worker, "id of the worker")
      ->required()
      ->check(CLI::PositiveNumber);
  AddBrokerOptions(command, &options->broker);
  command->callback([options, exit_code] {
    Result<Control> control = ConnectTo(options->broker);
    const Status done =
        control.ok() ? control->WorkerGone(WorkerId(options->worker)) : Status(control.error());
    *exit_code = done.ok() ? kExitOk : Complain(done.error());
  });
}

}  // namespace bellis
