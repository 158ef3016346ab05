#include "common/task/status_json.h"

#include <nlohmann/json.hpp>

#include "common/text/printable.h"

namespace bellis {
namespace {

using nlohmann::ordered_json;

ordered_json FailureToJson(const FailureRecord& failure) {
  return {{"block", failure.block},
          {"index", failure.index},
          {"attempt", failure.attempt},
          {"worker", failure.worker.value},
          {"error", failure.error}};
}

ordered_json TaskToJson(const TaskStatus& task) {
  const BlockCounts& counts = task.counts;
  ordered_json json = {{"task", task.task},
                       {"blocks", counts.blocks},
                       {"masked", counts.masked},
                       {"pending", counts.pending},
                       {"ready", counts.ready},
                       {"leased", counts.leased},
                       {"completed", counts.completed},
                       {"skipped", counts.skipped},
                       {"failed", counts.failed},
                       {"orphaned", counts.orphaned},
                       {"levels", task.levels},
                       {"workers_starting", task.workers_starting},
                       {"workers_live", task.workers_live},
                       {"worker_restarts", task.worker_restarts},
                       {"block_ms_mean", task.block_ms_mean},
                       {"languages", ordered_json::array()},
                       {"failures", ordered_json::array()},
                       {"failures_total", task.failures_total},
                       {"error", task.error},
                       {"log_dir", task.log_dir},
                       {"paused", task.paused},
                       {"notices", task.notices}};
  for (const LanguageStats& stats : task.languages) {
    json["languages"].push_back({{"language", stats.language},
                                 {"blocks", stats.blocks},
                                 {"block_ms_mean", stats.block_ms_mean}});
  }
  for (const FailureRecord& failure : task.failures) {
    json["failures"].push_back(FailureToJson(failure));
  }
  return json;
}

}  // namespace

ordered_json StatusToJson(const JobStatus& status) {
  ordered_json json = {{"job", status.job},
                       {"name", status.name},
                       {"state", JobStateName(status.state)},
                       {"reason", status.reason},
                       {"elapsed_s", status.elapsed_s},
                       {"user", status.user},
                       {"host", status.host},
                       {"submitted_at", status.submitted_at},
                       {"tasks", ordered_json::array()}};
  for (const TaskStatus& task : status.tasks) json["tasks"].push_back(TaskToJson(task));
  return json;
}

std::string JsonLine(const ordered_json& json) {
  // Control characters occur only in strings, where JSON can escape them.
  return PrintableJson(
      json.dump(-1, ' ', /*ensure_ascii=*/false, ordered_json::error_handler_t::replace));
}

}  // namespace bellis
