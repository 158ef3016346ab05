// bellis conformance: plays broker, launcher and a bad network to any worker program.

#include <stdlib.h>

#include <cstdio>
#include <memory>

#include "common/task/status_json.h"
#include "tools/block_command.h"
#include "tools/commands.h"
#include "tools/conformance/report.h"
#include "tools/conformance/runner.h"
#include "tools/exit_code.h"
#include "tools/interrupt.h"
#include "tools/watch_job.h"

namespace bellis {
namespace {

constexpr const char* kHelp =
    "  bellis conformance [OPTIONS] -- COMMAND [ARGUMENTS...]\n"
    "\n"
    "COMMAND is a worker program in any language. It is started once for each check, with the\n"
    "environment of a worker that a launcher started (BELLIS_ENDPOINT, BELLIS_JOB, BELLIS_TASK,\n"
    "BELLIS_WORKER_ID, BELLIS_TOKEN ...), and meets a broker that does what brokers and networks\n"
    "do: it hands out blocks, drains, refuses, falls silent, is cut off, is started again. What\n"
    "the blocks compute does not matter. Two things make more checks possible; a few lines in the\n"
    "function that works on a block are enough:\n"
    "\n"
    "  BELLIS_CONFORMANCE_MS           if it is set, wait so many milliseconds in each block\n"
    "  BELLIS_CONFORMANCE_ERROR_BYTES  if it is set, fail each block with an error text of so\n"
    "                                  many letters x\n"
    "\n"
    "Without them, what needs a slow or a failing block is 'not shown'. BELLIS_HEARTBEAT_MS and\n"
    "other variables that users set for workers are passed on. The levels, 0 minimal, 1 alive,\n"
    "2 lasting, are those of common/protocol/PROTOCOL.md, and so are the sections that a check\n"
    "cites. An optional check is a SHOULD, or something that not every worker needs. A check that\n"
    "fails shows what was expected, what came, and all messages with their times.\n"
    "\n"
    "Exit codes:\n"
    "  0    all that a worker of this level MUST do holds, as far as it was shown\n"
    "  1    something fails (or is not shown, with --strict)\n"
    "  2    bad input: usage, no such check, no such command\n"
    "  130  interrupted (Ctrl-C); 143 terminated";

struct ConformanceOptions {
  conformance::RunOptions run;
  int level = -1;
  double timeout_s = 15;
  bool json = false;
  bool strict = false;
  bool list = false;
};

/// Removes the variables that the checks set themselves, so that the shell's do not reach the
/// worker.
void ForgetEnvironment() {
  for (const char* name :
       {"ENDPOINT", "ACCESS", "SERVER_KEY", "PUBLIC_KEY", "SECRET_KEY", "TOKEN", "JOB", "TASK",
        "WORKER_ID", "SLOT", "DUTY", "WORK_PAGE", "PREFETCH", "CONNECT_TIMEOUT", "LOST_TIMEOUT",
        "CONFORMANCE_MS", "CONFORMANCE_ERROR_BYTES"}) {
    ::unsetenv((std::string("BELLIS_") + name).c_str());
  }
}

int Check(ConformanceOptions* options) {
  conformance::RunOptions& run = options->run;
  if (const Result<std::string> program = FindProgram(run.stage.command[0]); !program.ok()) {
    Complain(program.error());
    return kExitBadInput;
  }
  ForgetEnvironment();
  CatchInterrupts();
  run.stage.interrupted = [] { return InterruptCount() > 0; };
  run.stage.patience = Duration::Seconds(options->timeout_s);
  int level = options->level;
  if (level < 0) {
    const Result<int> announced = conformance::AnnouncedLevel(run.stage);
    level = announced.ok() ? *announced : 0;
  }
  run.stage.level = level;
  const auto checks = conformance::ChooseChecks(run);
  if (!checks.ok()) return Complain(checks.error());
  const std::vector<conformance::Outcome> outcomes = conformance::RunChecks(*checks, run);
  if (InterruptCount() > 0) return kExitSignal + InterruptSignal();
  Print(options->json ? JsonLine(conformance::ReportJson(outcomes, level)) + "\n"
                      : conformance::ReportText(outcomes, level));
  const conformance::Summary sum = conformance::Summarize(outcomes);
  const bool well = sum.must_fail == 0 && (!options->strict || sum.must_not_shown == 0);
  return well ? kExitOk : kExitBlocksFailed;
}

void AddOptions(CLI::App* command, ConformanceOptions* options) {
  command
      ->add_option("--level", options->level,
                   "0, 1 or 2 (default: what the worker's hello announces)")
      ->check(CLI::Range(0, 2));
  command->add_option("--only", options->run.only, "these checks, whatever their level");
  command->add_flag("--list", options->list, "show all checks, and run none");
  command->add_flag("--json", options->json, "one JSON object on stdout");
  command->add_flag("--strict", options->strict, "what is not shown counts as failed");
  command->add_flag("--ipc", options->run.stage.ipc, "talk over ipc (default: tcp on loopback)");
  command->add_option("--jobs", options->run.jobs, "checks at a time")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  command
      ->add_option("--timeout", options->timeout_s,
                   "seconds that the worker has for whatever it is to do at once")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  command
      ->add_option("--lease-ms", options->run.stage.lease_ms,
                   "how long leases last in the checks of level 1")
      ->check(CLI::Range(1000, 600'000))
      ->capture_default_str();
}

}  // namespace

void AddConformanceCommand(CLI::App* app, const std::vector<std::string>& program, int* exit_code) {
  auto options = std::make_shared<ConformanceOptions>();
  CLI::App* command = app->add_subcommand(
      "conformance", "check whether a worker program, in any language, keeps to the protocol");
  command->footer(kHelp);
  AddOptions(command, options.get());
  command->callback([options, program, exit_code] {
    if (options->list) {
      Print(options->json ? JsonLine(conformance::ListJson()) + "\n" : conformance::ListText());
      return;
    }
    if (program.empty()) throw CLI::RequiredError("'--' and a program after it");
    options->run.stage.command = program;
    *exit_code = Check(options.get());
  });
}

}  // namespace bellis
