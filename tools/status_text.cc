#include "tools/status_text.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "common/text/printable.h"
#include "tools/text.h"

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
                       {"paused", task.paused}};
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

struct Sums {
  uint64_t blocks = 0;
  uint64_t done = 0;
  uint64_t failed = 0;
};

Sums SumOf(const JobStatus& job) {
  Sums sums;
  for (const TaskStatus& task : job.tasks) {
    const uint64_t blocks = task.counts.blocks - task.counts.masked;
    sums.blocks += blocks;
    sums.done += blocks - task.counts.unfinished();
    sums.failed += task.counts.failed + task.counts.orphaned;
  }
  return sums;
}

/// Columns as wide as their widest cell; the last one is not filled up.
std::string Table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<int> widths;
  for (const auto& row : rows) {
    widths.resize(row.size());
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], DisplayWidth(row[i]));
  }
  std::string text;
  for (const auto& row : rows) {
    for (size_t i = 0; i + 1 < row.size(); ++i) text += PadRight(row[i], widths[i]) + "  ";
    text += row.back() + "\n";
  }
  return text;
}

}  // namespace

ordered_json StatusToJson(const JobStatus& status) {
  ordered_json json = {{"job", status.job},
                       {"name", status.name},
                       {"state", JobStateName(status.state)},
                       {"reason", status.reason},
                       {"elapsed_s", status.elapsed_s},
                       {"tasks", ordered_json::array()}};
  for (const TaskStatus& task : status.tasks) json["tasks"].push_back(TaskToJson(task));
  return json;
}

std::string JsonLine(const ordered_json& json) {
  // What a terminal would obey stands in strings only, and may be written as an escape there.
  return PrintableJson(
      json.dump(-1, ' ', /*ensure_ascii=*/false, ordered_json::error_handler_t::replace));
}

std::string JobTable(const std::vector<JobStatus>& jobs) {
  if (jobs.empty()) return "no jobs\n";
  std::vector<std::vector<std::string>> rows = {
      {"JOB", "STATE", "BLOCKS DONE", "FAILED", "ELAPSED", "NAME"}};
  for (const JobStatus& job : jobs) {
    const Sums sums = SumOf(job);
    rows.push_back({Printable(job.job), JobStateName(job.state),
                    fmt::format("{}/{}", sums.done, sums.blocks), std::to_string(sums.failed),
                    DurationText(job.elapsed_s), Printable(job.name)});
  }
  return Table(rows);
}

std::string JobDetails(const JobStatus& status) {
  std::string text = fmt::format("{} ({}): {}", Printable(status.job), Printable(status.name),
                                 JobStateName(status.state));
  if (!status.reason.empty()) text += ", " + FirstLine(status.reason);
  text += fmt::format(", {}\n\n", DurationText(status.elapsed_s));
  std::vector<std::vector<std::string>> rows = {{"TASK", "BLOCKS", "PENDING", "READY", "RUNNING",
                                                 "COMPLETED", "FAILED", "ORPHANED", "WORKERS"}};
  for (const TaskStatus& task : status.tasks) {
    const BlockCounts& c = task.counts;
    std::string workers = std::to_string(task.workers_live);
    if (task.workers_starting > 0) workers += fmt::format(" (+{})", task.workers_starting);
    rows.push_back({Printable(task.task), std::to_string(c.blocks), std::to_string(c.pending),
                    std::to_string(c.ready), std::to_string(c.leased), std::to_string(c.completed),
                    std::to_string(c.failed), std::to_string(c.orphaned), workers});
  }
  return text + Table(rows);
}

std::string ResumedText(const SubmittedMsg& answer) {
  return fmt::format("bellis: {} goes on: {} blocks were done before (--fresh starts over)",
                     answer.job, answer.done);
}

}  // namespace bellis
