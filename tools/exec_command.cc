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
    "With --batch N, one run of PROGRAM gets up to N blocks: their JSON objects on stdin, one a\n"
    "line, and BELLIS_BLOCKS says how many, in place of the variables of one block. Exit code 0\n"
    "completes all of them. After any other, PROGRAM runs once for each of them, as without\n"
    "--batch, so that only the block at fault fails. Its output must not depend on how often it\n"
    "has run.\n"
    "\n"
    "Exit codes of bellis exec: 0 nothing is left to do; 126 PROGRAM cannot be executed, 127 it\n"
    "is not there (both are checked before any block is taken).";

struct ExecOptions {
  BrokerAddress broker;
  std::string job;
  std::string task;
  std::string language = "command";
  uint32_t batch = 1;
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
  if (options.batch > 1) worker->prefetch = options.batch - 1;
  worker->stop_requested = [] { return InterruptCount() > 0; };
  return worker;
}

void Report(const Block& block, const std::string& failure) {
  std::fprintf(stderr, "bellis: block %lld of task '%s' failed (attempt %u): %s\n",
               static_cast<long long>(block.id()), Printable(block.task()).c_str(), block.attempt(),
               Headline(failure).c_str());
}

/// Runs the command for the block, and notes the result in it.
void RunAlone(const BlockCommand& command, Duty duty, BlockHandle& block) {
  const bool interrupted = InterruptCount() > 0;
  const Status done = interrupted ? OkStatus() : command.Run(block);
  if (interrupted || (!done.ok() && InterruptCount() > 0)) return block.Return();
  if (done.ok()) return;
  if (duty != Duty::kWork) return block.Fail("");  // the answer no, not a failure
  Report(block, done.error().message);
  block.Fail(done.error().message);
}

int Exec(const ExecOptions& options) {
  const Result<BlockCommand> command = BlockCommand::Make(options.command);
  if (!command.ok()) {
    Complain(command.error());
    return ExitCodeForProgram(command.error());
  }
  const Result<WorkerOptions> worker_options = WorkerOptionsFor(options);
  if (!worker_options.ok()) return Complain(worker_options.error());
  CatchInterrupts();
  try {
    Worker worker(*worker_options);
    while (InterruptCount() == 0) {
      std::vector<BlockHandle> blocks = worker.AcquireSeveral(options.batch);
      if (blocks.empty()) break;
      if (blocks.size() > 1 && command->RunForAll(blocks).ok()) continue;
      for (BlockHandle& block : blocks) RunAlone(*command, worker_options->duty, block);
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
  command->add_option("--batch", options->batch, "how many blocks one run of the program may get")
      ->check(CLI::Range(1U, 1'023U))
      ->capture_default_str();
  AddBrokerOptions(command, &options->broker);
  command->callback([options, program, exit_code] {
    if (program.empty()) throw CLI::RequiredError("'--' and a program after it");
    options->command = program;
    *exit_code = Exec(*options);
  });
}

}  // namespace bellis
