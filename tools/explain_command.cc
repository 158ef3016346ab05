// bellis explain: why is this block not running; why is this worker idle?

#include <charconv>
#include <memory>
#include <nlohmann/json.hpp>

#include "common/task/status_json.h"
#include "common/text/printable.h"
#include "tools/commands.h"
#include "tools/exit_code.h"
#include "tools/summary.h"
#include "tools/text.h"
#include "tools/watch_job.h"

namespace bellis {
namespace {

struct ExplainOptions {
  BrokerAddress broker;
  std::string job;
  std::string block;
  uint64_t worker = 0;
  bool json = false;
};

/// "TASK/ID" or "ID"; task ids may have slashes themselves.
Result<std::pair<std::string, CantorId>> ParseBlock(const std::string& text) {
  const size_t slash = text.rfind('/');
  const std::string task = slash == std::string::npos ? "" : text.substr(0, slash);
  const std::string number = slash == std::string::npos ? text : text.substr(slash + 1);
  CantorId id = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), id);
  if (error != std::errc() || end != number.data() + number.size()) {
    return Error{ErrorCode::kInvalidSpec,
                 "the block is \"" + text + "\"; TASK/ID, or ID where the job has one task"};
  }
  return std::pair(task, id);
}

std::string ExplainedText(const Explanation& explained) {
  std::string text;
  for (size_t i = 0; i < explained.steps.size(); ++i) {
    const ExplainStep& step = explained.steps[i];
    text += (i == 0 ? "" : "-> ") + Printable(step.task) + "/" + std::to_string(step.block) + " (" +
            step.state + "): " + Printable(step.why) + "\n";
  }
  return text;
}

nlohmann::json ExplainedJson(const Explanation& explained) {
  nlohmann::json steps = nlohmann::json::array();
  for (const ExplainStep& step : explained.steps) {
    steps.push_back({{"task", step.task},
                     {"block", step.block},
                     {"index", step.index},
                     {"state", step.state},
                     {"why", step.why}});
  }
  return {{"summary", explained.summary}, {"steps", steps}};
}

int Explain(const ExplainOptions& options) {
  if (options.block.empty() == (options.worker == 0)) {
    return Complain(Error{ErrorCode::kInvalidSpec, "explain what? a block, or --worker ID"});
  }
  std::pair<std::string, CantorId> block;
  if (options.worker == 0) {
    const auto parsed = ParseBlock(options.block);
    if (!parsed.ok()) return Complain(parsed.error());
    block = *parsed;
  }
  Result<Control> control = ConnectTo(options.broker);
  if (!control.ok()) return Complain(control.error());
  const auto explained = options.worker != 0
                             ? control->ExplainWorker(options.job, WorkerId(options.worker))
                             : control->ExplainBlock(options.job, block.first, block.second);
  if (!explained.ok()) return Complain(explained.error());
  if (options.json) {
    Print(JsonLine(ExplainedJson(*explained)) + "\n");
  } else {
    Print(Printable(explained->summary) + "\n" + ExplainedText(*explained));
  }
  return kExitOk;
}

}  // namespace

void AddExplainCommand(CLI::App* app, int* exit_code) {
  auto options = std::make_shared<ExplainOptions>();
  CLI::App* command = app->add_subcommand(
      "explain", "say why a block does not run: what it waits for, and what that waits for");
  command->add_option("job", options->job, "id or name of the job")->required();
  command->add_option("block", options->block, "TASK/ID, or ID where the job has one task");
  command->add_option("--worker", options->worker, "why is this worker idle?");
  command->add_flag("--json", options->json, "one JSON object");
  AddBrokerOptions(command, &options->broker);
  command->callback([options, exit_code] { *exit_code = Explain(*options); });
}

}  // namespace bellis
