// bellis pause, resume, workers: change a job while it runs.

#include <functional>
#include <memory>

#include "common/task/pipeline.h"
#include "tools/commands.h"
#include "tools/exit_code.h"

namespace bellis {
namespace {

struct SteerOptions {
  BrokerAddress broker;
  std::string job;
  std::string task;
  uint32_t count = 0;
  uint32_t group = 0;
};

using Steer = std::function<Status(Control&, const SteerOptions&)>;

CLI::App* AddSteerCommand(CLI::App* app, const char* name, const char* help, Steer steer,
                          const std::shared_ptr<SteerOptions>& options, int* exit_code) {
  CLI::App* command = app->add_subcommand(name, help);
  command->add_option("job", options->job, "id or name of the job")->required();
  AddBrokerOptions(command, &options->broker);
  command->callback([options, steer = std::move(steer), exit_code] {
    Result<Control> control = ConnectTo(options->broker);
    const Status done = control.ok() ? steer(*control, *options) : Status(control.error());
    *exit_code = done.ok() ? kExitOk : Complain(done.error());
  });
  return command;
}

}  // namespace

void AddPauseCommand(CLI::App* app, int* exit_code) {
  const auto options = std::make_shared<SteerOptions>();
  const auto pause = [](Control& control, const SteerOptions& o) {
    return control.Pause(o.job, o.task);
  };
  AddSteerCommand(app, "pause", "hand out no more blocks of a job; blocks that run are finished",
                  pause, options, exit_code)
      ->add_option("--task", options->task, "only this task of it");
}

void AddResumeCommand(CLI::App* app, int* exit_code) {
  const auto options = std::make_shared<SteerOptions>();
  const auto resume = [](Control& control, const SteerOptions& o) {
    return control.Resume(o.job, o.task);
  };
  AddSteerCommand(app, "resume", "continue a job that was paused", resume, options, exit_code)
      ->add_option("--task", options->task, "only this task of it");
}

void AddWorkersCommand(CLI::App* app, int* exit_code) {
  const auto options = std::make_shared<SteerOptions>();
  const auto set = [](Control& control, const SteerOptions& o) {
    return control.SetWorkers(o.job, o.task, o.count, o.group);
  };
  CLI::App* command = AddSteerCommand(app, "workers", "change how many workers a task has", set,
                                      options, exit_code);
  command->add_option("count", options->count, "workers, from now on")
      ->required()
      ->check(CLI::Range(uint32_t{0}, kWorkersPerGroupMax));
  command->add_option("--task", options->task, "of this task; needed when the job has several");
  command
      ->add_option("--group", options->group,
                   "of the task's groups of workers ([[tasks.workers]]), counted from 0")
      ->capture_default_str();
}

}  // namespace bellis
