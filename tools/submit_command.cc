// bellis submit: hands a pipeline to a broker that runs elsewhere or longer than this terminal.

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "common/task/no_blocks.h"
#include "common/task/status_json.h"
#include "common/text/printable.h"
#include "tools/commands.h"
#include "tools/exit_code.h"
#include "tools/pipeline_file.h"
#include "tools/status_text.h"
#include "tools/stored_job.h"
#include "tools/watch_job.h"

namespace bellis {
namespace {

struct SubmitOptions {
  BrokerAddress broker;
  PipelineOptions pipeline;
  bool watch = false;
  StoredOptions stored;
  bool json = false;
};

int Submit(const SubmitOptions& options) {
  const Result<JobSpec> spec = LoadPipeline(options.pipeline);
  if (!spec.ok()) {
    Complain(spec.error());
    return kExitBadInput;
  }
  for (const std::string& warning : NoBlocksWarnings(*spec)) {
    std::fprintf(stderr, "bellis: warning: %s\n", warning.c_str());
  }
  Result<Control> control = ConnectTo(options.broker);
  if (!control.ok()) return Complain(control.error());
  const Result<Submitted> answer =
      SubmitStored(*control, *spec, options.stored, !options.json && CanAsk());
  if (!answer.ok()) return Complain(answer.error());
  if (options.json) {
    Print(JsonLine({{"job", answer->job}, {"resumed", answer->resumed}, {"done", answer->done}}) +
          "\n");
  } else {
    Print(answer->job + "\n");
    if (answer->resumed) std::fprintf(stderr, "%s\n", Printable(ResumedText(*answer)).c_str());
  }
  return options.watch ? WatchToTheEnd(*control, answer->job, options.json) : kExitOk;
}

}  // namespace

void AddSubmitCommand(CLI::App* app, int* exit_code) {
  auto options = std::make_shared<SubmitOptions>();
  CLI::App* command =
      app->add_subcommand("submit", "hand a pipeline to a broker; prints the job's id");
  command->add_option("pipeline", options->pipeline.path, "pipeline file (TOML)")->required();
  command->add_flag("--watch", options->watch, "follow the job to its end");
  AddStoredOptions(command, &options->stored);
  command->add_flag("--serial", options->pipeline.serial, "one block at a time");
  command->add_option(
      "--log-dir", options->pipeline.log_dir,
      "where worker logs go, each run into a folder of its own, the last one \"latest\" "
      "(default: the file's log_dir, else ./bellis_logs)");
  command->add_flag("--json", options->json, "JSON lines on stdout");
  AddBrokerOptions(command, &options->broker);
  command->callback([options, exit_code] { *exit_code = Submit(*options); });
}

}  // namespace bellis
