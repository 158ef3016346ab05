#include "broker/launcher/launch_command.h"

#include "common/access/access.h"
#include "common/nesting.h"

namespace bellis {
namespace {

std::string ValueOf(const Environment& env, const char* name) {
  const auto found = env.find(name);
  return found == env.end() ? "" : found->second;
}

}  // namespace

WorkerCommand CommandOf(const LaunchMsg& launch, const std::string& endpoint) {
  WorkerCommand command;
  command.argv = launch.command;
  command.env = launch.env;
  command.env["BELLIS_ENDPOINT"] = endpoint;
  command.env.emplace("BELLIS_CONTEXT", "");  // does not inherit that of a Python run that started
                                              // this launcher
  for (const auto& [name, value] : AccessVariables({})) command.env.emplace(name, value);
  command.env["BELLIS_JOB"] = launch.job;
  command.env["BELLIS_TASK"] = launch.task;
  command.env["BELLIS_WORKER_ID"] = std::to_string(launch.worker.value);
  command.env[kNestingVariable] = std::to_string(NestingDepth() + 1);
  command.cwd = launch.cwd;
  command.log = {.log_dir = launch.log_dir,
                 .run = launch.run,
                 .job = launch.job,
                 .task = launch.task,
                 .slot = ValueOf(launch.env, "BELLIS_SLOT"),
                 .duty = ValueOf(launch.env, "BELLIS_DUTY")};
  return command;
}

}  // namespace bellis
