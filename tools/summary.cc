#include "tools/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <vector>

#include "broker/launcher/worker_log.h"
#include "common/text/headline.h"
#include "common/text/printable.h"
#include "tools/status_text.h"
#include "tools/text.h"

namespace bellis {
namespace {

constexpr size_t kFailuresShown = 10;
constexpr size_t kErrorLinesShown = 20;

std::string CountLines(const BlockCounts& counts) {
  std::string text = fmt::format("    num blocks : {}\n", counts.blocks);
  text += fmt::format("    completed ✔: {} (skipped {})\n", counts.completed, counts.skipped);
  text += fmt::format("    failed    ✗: {}\n", counts.failed);
  text += fmt::format("    orphaned  ∅: {}\n", counts.orphaned);
  if (counts.masked > 0) text += fmt::format("    masked     : {}\n", counts.masked);
  if (counts.unfinished() > 0) text += fmt::format("    not run    : {}\n", counts.unfinished());
  return text;
}

std::string TimeLines(const TaskStatus& task) {
  const std::string languages = LanguagesText(task);
  if (languages.empty()) return "";
  return fmt::format("\n    mean block time: {}\n    blocks by workers: {}\n",
                     MillisText(task.block_ms_mean), languages);
}

/// The failures to show. Every failed attempt of a block except the last one was retried. If the
/// records are complete, they show which attempt was the last, and the others are left out.
std::vector<const FailureRecord*> FinalFailures(const TaskStatus& task) {
  std::vector<const FailureRecord*> finals;
  if (task.failures_total > task.failures.size()) return finals;
  uint32_t last = 0;
  for (const FailureRecord& failure : task.failures) last = std::max(last, failure.attempt);
  for (const FailureRecord& failure : task.failures) {
    if (failure.attempt == last) finals.push_back(&failure);
  }
  if (finals.size() > task.counts.failed) finals.clear();
  return finals;
}

std::string LogLines(const TaskStatus& task, const std::vector<const FailureRecord*>& failures) {
  if (task.log_dir.empty()) return "";
  std::set<uint64_t> workers;
  for (const FailureRecord* failure : failures) workers.insert(failure->worker.value);
  std::string text = "\n    See worker logs for details:\n\n";
  const std::string dir = Printable(TaskLogDir(task.log_dir, task.task));
  for (const uint64_t worker : workers) {
    text += fmt::format("      {}/worker_{}.err / .out\n", dir, worker);
  }
  if (workers.empty()) text += fmt::format("      {}/\n", dir);
  return text;
}

std::string FailureLines(const TaskStatus& task) {
  if (task.failures_total == 0) return "";
  if (task.counts.failed == 0 && task.error.empty()) {
    return fmt::format("\n    {} made good by a retry\n",
                       Counted(task.failures_total, "failed attempt"));
  }
  std::vector<const FailureRecord*> failures = FinalFailures(task);
  uint64_t total = task.counts.failed;
  std::string text = "\n    Failed Blocks:\n\n";
  if (failures.empty()) {
    for (const FailureRecord& failure : task.failures) failures.push_back(&failure);
    total = task.failures_total;
    text = "\n    Failed Attempts:\n\n";
  }
  if (failures.size() > kFailuresShown) failures.resize(kFailuresShown);
  for (const FailureRecord* failure : failures) {
    const std::string error = Headline(failure->error);
    text += fmt::format("      block {} attempt {} in worker {}: {}\n", failure->block,
                        failure->attempt, failure->worker.value,
                        error.empty() ? "no error given" : error);
  }
  if (total > failures.size())
    text += fmt::format("      ... and {} more\n", total - failures.size());
  return text + LogLines(task, failures);
}

/// Why the task was given up. This is often the end of a worker's stderr, so it has several lines.
std::string ErrorLines(const TaskStatus& task) {
  if (task.error.empty()) return "";
  std::string text = "\n    Task given up:\n\n";
  std::vector<std::string_view> lines;
  for (std::string_view rest = task.error; !rest.empty();) {
    const size_t end = rest.find('\n');
    lines.push_back(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  for (size_t i = 0; i < lines.size(); ++i) {
    // Shows the first line, which says why, and the last lines, which are nearest to the cause.
    if (i > 0 && i + kErrorLinesShown < lines.size()) {
      if (i == 1) text += "      ...\n";
      continue;
    }
    text += "      " + Printable(lines[i]) + "\n";
  }
  if (task.failures_total == 0) text += LogLines(task, {});
  return text;
}

std::string TaskText(const TaskStatus& task) {
  const BlockCounts& counts = task.counts;
  std::string text = fmt::format("\n  Task {}:\n\n", Printable(task.task));
  text += CountLines(counts) + TimeLines(task) + FailureLines(task) + ErrorLines(task);
  if (counts.completed + counts.masked == counts.blocks && task.error.empty()) {
    text += "\n    all blocks processed successfully\n";
  }
  return text;
}

}  // namespace

std::string SummaryText(const JobStatus& status) {
  std::string text = "\nExecution Summary\n-----------------\n";
  uint64_t not_run = 0;
  for (const TaskStatus& task : status.tasks) {
    text += TaskText(task);
    not_run += task.counts.unfinished() + task.counts.orphaned;
  }
  if (status.state == JobState::kFailed || status.state == JobState::kCancelled) {
    text += fmt::format("\n  Job {}", JobStateName(status.state));
    if (!status.reason.empty()) text += ": " + FirstLine(status.reason);
    if (not_run > 0) {
      text += fmt::format(" ({} not run)", Counted(not_run, "block"));
    }
    text += "\n";
  }
  return text;
}

}  // namespace bellis
