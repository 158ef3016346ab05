// bellis exec: any program as a worker, run once per block.

#include <cstdio>
#include <memory>

#include "client/cpp/environment.h"
#include "common/text/headline.h"
#include "common/text/printable.h"
#include "tools/block_command.h"
#include "tools/commands.h"
#include "tools/exit_code.h"
#include "tools/interrupt.h"
#include "tools/text.h"

namespace bellis {
namespace {

// The exit codes of shells.
constexpr int kExitNotFound = 127;
constexpr int kExitNotExecutable = 126;

constexpr const char* kHelp =
    "  bellis exec [OPTIONS] -- PROGRAM [ARGUMENTS...]\n"
    "\n"
    "PROGRAM finds the block in its environment (BELLIS_TASK, BELLIS_BLOCK_ID,\n"
    "BELLIS_BLOCK_INDEX, BELLIS_BLOCK_ATTEMPT, BELLIS_BLOCK_LEASE, and, numbers with spaces\n"
    "between them, BELLIS_READ_OFFSET, BELLIS_READ_SHAPE, BELLIS_WRITE_OFFSET,\n"
    "BELLIS_WRITE_SHAPE) and as one JSON object on stdin. Exit code 0 completes the block. Any\n"
    "other, or a signal, fails it, and the end of stderr is the error. As a checker\n"
    "(BELLIS_DUTY, set by the launcher) 0 is yes, and any other no. In a pipeline file:\n"
    "\n"
    "  command = [\"bellis\", \"exec\", \"--\", \"./process.sh\", \"--fast\"]\n"
    "\n"
    "Exit codes of bellis exec: 0 nothing is left to do; 126 PROGRAM cannot be executed, 127 it\n"
    "is not there (both are checked before any block is taken).";

struct ExecOptions {
  BrokerAddress broker;
  std::string job;
  std::string task;
  std::string language = "command";
  std::vector<std::string> command;
};

Result<WorkerOptions> WorkerOptionsFor(const ExecOptions& options) {
  const Result<Access> access = AccessOf(options.broker);
  if (!access.ok()) return access.error();
  ::setenv("BELLIS_ENDPOINT", access->endpoint.c_str(), 1);
  for (const auto& [name, value] : AccessVariables(*access))
    ::setenv(name.c_str(), value.c_str(), 1);
  Result<WorkerOptions> worker = WorkerOptions::FromEnvironment();
  if (!worker.ok()) return worker;
  if (!options.job.empty()) worker->job = options.job;
  if (!options.task.empty()) worker->task = options.task;
  worker->language = options.language;
  worker->stop_requested = [] { return InterruptCount() > 0; };
  return worker;
}

void Report(const Block& block, const std::string& failure) {
  std::fprintf(stderr, "bellis: block %lld of task '%s' failed (attempt %u): %s\n",
               static_cast<long long>(block.id()), Printable(block.task()).c_str(), block.attempt(),
               Headline(failure).c_str());
}

int Exec(const ExecOptions& options) {
  const Result<BlockCommand> command = BlockCommand::Make(options.command);
  if (!command.ok()) {
    Complain(command.error());
    return command.error().code == ErrorCode::kNotFound ? kExitNotFound : kExitNotExecutable;
  }
  const Result<WorkerOptions> worker_options = WorkerOptionsFor(options);
  if (!worker_options.ok()) return Complain(worker_options.error());
  CatchInterrupts();
  try {
    Worker worker(*worker_options);
    while (InterruptCount() == 0) {
      auto block = worker.Acquire();
      if (!block) break;
      const Status done = command->Run(*block);
      if (done.ok()) continue;
      if (InterruptCount() > 0) {  // an interrupt ended it
        block->Return();
        break;
      }
      if (worker_options->duty != Duty::kWork) {
        block->Fail("");  // the answer no, not a failure
        continue;
      }
      Report(*block, done.error().message);
      block->Fail(done.error().message);
    }
  } catch (const WorkerError& error) {
    if (InterruptCount() == 0) return Complain(Error{error.code(), error.what()});
  }
  return InterruptCount() > 0 ? kExitSignal + InterruptSignal() : kExitOk;
}

}  // namespace

void AddExecCommand(CLI::App* app, const std::vector<std::string>& program, int* exit_code) {
  auto options = std::make_shared<ExecOptions>();
  CLI::App* command =
      app->add_subcommand("exec", "be a worker that runs a program once for each block");
  command->footer(kHelp);
  command->add_option("--job", options->job, "the job to work for (default: BELLIS_JOB)");
  command->add_option("--task", options->task, "the task (default: BELLIS_TASK)");
  command
      ->add_option("--language", options->language,
                   "the language under which the summary counts the blocks")
      ->capture_default_str();
  AddBrokerOptions(command, &options->broker);
  command->callback([options, program, exit_code] {
    if (program.empty()) throw CLI::RequiredError("'--' and a program after it");
    options->command = program;
    *exit_code = Exec(*options);
  });
}

}  // namespace bellis
