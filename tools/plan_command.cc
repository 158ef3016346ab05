// bellis plan: describes a pipeline before anything runs. Needs no broker and starts nothing.

#include <memory>
#include <nlohmann/json.hpp>

#include "broker/schedule/plan.h"
#include "common/task/status_json.h"
#include "tools/commands.h"
#include "tools/exit_code.h"
#include "tools/pipeline_file.h"
#include "tools/plan_text.h"
#include "tools/watch_job.h"

namespace bellis {
namespace {

struct PlanOptions {
  PipelineOptions pipeline;
  bool json = false;
};

int ShowPlan(const PlanOptions& options) {
  const Result<JobSpec> spec = LoadPipeline(options.pipeline);
  if (!spec.ok()) {
    Complain(spec.error());
    return kExitBadInput;
  }
  const Result<Plan> plan = MakePlan(*spec);
  if (!plan.ok()) return Complain(plan.error());
  Print(options.json ? JsonLine(PlanToJson(*plan)) + "\n" : PlanText(*plan));
  return plan->has_chunk_errors() ? kExitBlocksFailed : kExitOk;
}

}  // namespace

void AddPlanCommand(CLI::App* app, int* exit_code) {
  auto options = std::make_shared<PlanOptions>();
  CLI::App* command = app->add_subcommand(
      "plan", "show what a pipeline will be: blocks, order, how many workers make sense, memory");
  command->add_option("pipeline", options->pipeline.path, "pipeline file (TOML)")->required();
  command->add_flag("--json", options->json, "one JSON object on stdout");
  command->footer(
      "Exit codes:\n"
      "  0    nothing is wrong; there may be warnings\n"
      "  1    blocks that may run at the same time write into one chunk of the storage\n"
      "  2    bad input: usage, pipeline file, a job that a broker would refuse");
  command->callback([options, exit_code] { *exit_code = ShowPlan(*options); });
}

}  // namespace bellis
