#include "tools/status_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "common/text/printable.h"
#include "tools/text.h"

namespace bellis {
namespace {

struct Sums {
  uint64_t blocks = 0;
  uint64_t completed = 0;
  uint64_t failed = 0;
  uint64_t orphaned = 0;
};

Sums SumOf(const JobStatus& job) {
  Sums sums;
  for (const TaskStatus& task : job.tasks) {
    sums.blocks += task.counts.blocks - task.counts.masked;
    sums.completed += task.counts.completed;
    sums.failed += task.counts.failed;
    sums.orphaned += task.counts.orphaned;
  }
  return sums;
}

using Rows = std::vector<std::vector<std::string>>;

/// A table whose columns are as wide as their widest cell; the last column is not padded. If a line
/// would be wider than `width` (0: no limit), the column `name` is clipped.
std::string Table(const Rows& rows, size_t name, int width) {
  constexpr int kNameWidthMin = 8;
  constexpr int kGap = 2;
  std::vector<int> widths;
  for (const auto& row : rows) {
    widths.resize(row.size());
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], DisplayWidth(row[i]));
  }
  int line = -kGap;
  for (const int column : widths) line += column + kGap;
  if (width > 0 && line > width) {
    widths[name] = std::min(widths[name], std::max(kNameWidthMin, widths[name] - (line - width)));
  }
  std::string text;
  for (const auto& row : rows) {
    for (size_t i = 0; i + 1 < row.size(); ++i) text += PadRight(row[i], widths[i]) + "  ";
    text += ClipToWidth(row.back(), widths.back()) + "\n";
  }
  return text;
}

/// The time in this machine's time zone; "" if it is unknown.
std::string TimeText(uint64_t unix_seconds) {
  const auto seconds = static_cast<time_t>(unix_seconds);
  tm local{};
  if (unix_seconds == 0 || ::localtime_r(&seconds, &local) == nullptr) return "";
  std::array<char, 32> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M", &local)};
}

/// The first and the last line of each notice; the last line is often the end of a worker's stderr.
std::string NoticeLines(const JobStatus& job) {
  std::string text;
  for (const TaskStatus& task : job.tasks) {
    for (const std::string& notice : task.notices) {
      const size_t end = notice.find_last_not_of(" \n");
      const size_t last = notice.rfind('\n', end);
      text += fmt::format("\ntask {} {}\n", Printable(task.task), FirstLine(notice));
      if (last == std::string::npos) continue;
      text += "  " + Printable(std::string_view(notice).substr(last + 1, end - last)) + "\n";
    }
  }
  return text;
}

/// A task whose workers are of one language needs no line.
std::string LanguageLines(const JobStatus& job) {
  std::string text;
  for (const TaskStatus& task : job.tasks) {
    const auto worked = [](const LanguageStats& stats) { return stats.blocks > 0; };
    if (std::count_if(task.languages.begin(), task.languages.end(), worked) < 2) continue;
    text += fmt::format("\ntask {}: blocks by workers: {}\n", Printable(task.task),
                        LanguagesText(task));
  }
  return text;
}

std::string StateWithNotices(const JobStatus& job) {
  size_t notices = 0;
  for (const TaskStatus& task : job.tasks) notices += task.notices.size();
  return StateText(job) + (notices == 0 ? "" : fmt::format(" ({})", Counted(notices, "notice")));
}

std::string Whose(const JobStatus& job) {
  if (job.user.empty() || job.host.empty()) return Printable(job.user + job.host);
  return Printable(job.user) + "@" + Printable(job.host);
}

}  // namespace

std::string StateText(const JobStatus& status) {
  size_t open = 0;
  size_t paused = 0;
  for (const TaskStatus& task : status.tasks) {
    if (task.counts.unfinished() == 0) continue;
    ++open;
    if (task.paused) ++paused;
  }
  if (status.state != JobState::kRunning || paused == 0) return JobStateName(status.state);
  if (paused == open) return "paused";
  return fmt::format("running, {} of {} tasks paused", paused, open);
}

std::string LanguagesText(const TaskStatus& task) {
  std::string text;
  for (const LanguageStats& stats : task.languages) {
    if (stats.blocks == 0) continue;
    text += fmt::format("{}{} {} ({} each)", text.empty() ? "" : ", ",
                        stats.language.empty() ? "unnamed" : Printable(stats.language),
                        stats.blocks, MillisText(stats.block_ms_mean));
  }
  return text;
}

std::string JobTable(const std::vector<JobStatus>& jobs, int width) {
  if (jobs.empty()) return "no jobs\n";
  Rows rows = {
      {"JOB", "STATE", "COMPLETED", "FAILED", "ORPHANED", "ELAPSED", "SUBMITTED", "BY", "NAME"}};
  for (const JobStatus& job : jobs) {
    const Sums sums = SumOf(job);
    rows.push_back({Printable(job.job), StateWithNotices(job),
                    fmt::format("{}/{}", sums.completed, sums.blocks), std::to_string(sums.failed),
                    std::to_string(sums.orphaned), DurationText(job.elapsed_s),
                    TimeText(job.submitted_at), Whose(job), Printable(job.name)});
  }
  return Table(rows, /*name=*/8, width);
}

std::string JobDetails(const JobStatus& status, int width) {
  std::string text =
      fmt::format("{} ({}): {}", Printable(status.job), Printable(status.name), StateText(status));
  if (!status.reason.empty()) text += ", " + FirstLine(status.reason);
  text += fmt::format(", {}", DurationText(status.elapsed_s));
  if (status.submitted_at > 0) text += ", submitted " + TimeText(status.submitted_at);
  if (const std::string whose = Whose(status); !whose.empty()) text += " by " + whose;
  text += "\n\n";
  Rows rows = {{"TASK", "BLOCKS", "PENDING", "READY", "RUNNING", "COMPLETED", "FAILED", "ORPHANED",
                "WORKERS"}};
  for (const TaskStatus& task : status.tasks) {
    const BlockCounts& c = task.counts;
    std::string workers = std::to_string(task.workers_live);
    if (task.workers_starting > 0) workers += fmt::format(" (+{})", task.workers_starting);
    if (task.paused) workers += " paused";
    rows.push_back({Printable(task.task), std::to_string(c.blocks), std::to_string(c.pending),
                    std::to_string(c.ready), std::to_string(c.leased), std::to_string(c.completed),
                    std::to_string(c.failed), std::to_string(c.orphaned), workers});
  }
  text += Table(rows, /*name=*/0, width);
  return text + LanguageLines(status) + NoticeLines(status);
}

std::string ResumedText(const Submitted& answer) {
  return fmt::format("bellis: {} is resumed: {} blocks are done (--fresh starts over)", answer.job,
                     answer.done);
}

}  // namespace bellis
