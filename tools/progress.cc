#include "tools/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "common/text/printable.h"
#include "tools/text.h"

namespace bellis {
namespace {

constexpr Duration kRateWindow = Duration::Seconds(10);
constexpr int kNameWidthMax = 24;
constexpr int kNameWidthMin = 6;
constexpr int kBarWidthMin = 10;
constexpr int kBarWidthMax = 40;
constexpr size_t kPlainTasksMax = 8;

uint64_t Total(const BlockCounts& counts) { return counts.blocks - counts.masked; }
/// Orphaned blocks never run, and do not count: a cancelled job is not done.
uint64_t Done(const BlockCounts& counts) { return counts.completed + counts.failed; }

double Fraction(const BlockCounts& counts) {
  if (Total(counts) == 0) return 1;
  return static_cast<double>(Done(counts)) / static_cast<double>(Total(counts));
}

/// Rounded down: "100%" must mean that all is done.
int Percent(const BlockCounts& counts) {
  return static_cast<int>(std::floor(100 * Fraction(counts)));
}

std::string LongCounts(const BlockCounts& counts) {
  std::string text;
  const auto add = [&text](const char* label, uint64_t count) {
    if (count > 0) text += fmt::format("{}{} {}", text.empty() ? "" : "  ", label, count);
  };
  add("pending", counts.pending);
  add("ready", counts.ready);
  add("running", counts.leased);
  add("completed", counts.completed);
  add("failed", counts.failed);
  add("orphaned", counts.orphaned);
  return text;
}

std::string ShortCounts(const BlockCounts& counts) {
  std::string text = fmt::format("▶{}", counts.leased);
  if (counts.failed > 0) text += fmt::format(" ✗{}", counts.failed);
  if (counts.orphaned > 0) text += fmt::format(" ∅{}", counts.orphaned);
  return text;
}

int Order(const TaskStatus& task) {
  if (task.counts.unfinished() == 0) return 2;
  return task.counts.leased > 0 ? 0 : 1;
}

}  // namespace

std::string Bar(double fraction, int width) {
  static constexpr std::array kEighths = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const auto eighths = static_cast<int>(std::floor(std::clamp(fraction, 0.0, 1.0) * width * 8));
  std::string bar;
  for (int i = 0; i < eighths / 8; ++i) bar += "█";
  bar += kEighths[static_cast<size_t>(eighths % 8)];
  return PadRight(bar, width);
}

void Progress::Update(const JobStatus& status, Instant now) {
  elapsed_s_ = status.elapsed_s;
  tasks_.resize(status.tasks.size());
  for (size_t i = 0; i < tasks_.size(); ++i) {
    TaskProgress& task = tasks_[i];
    task.status = status.tasks[i];
    const BlockCounts& counts = task.status.counts;
    // Skipped and orphaned blocks take no time. If they counted, the ETA would be too early.
    task.samples.push_back({now, counts.completed - counts.skipped + counts.failed});
    while (task.samples.size() > 2 && now - task.samples[1].at >= kRateWindow) {
      task.samples.pop_front();
    }
  }
}

double Progress::TaskProgress::Rate(Instant now) const {
  if (samples.empty() || status.counts.unfinished() == 0) return 0;
  const Duration span = now - samples.front().at;
  if (span.ns <= 0 || samples.back().done < samples.front().done) return 0;
  return static_cast<double>(samples.back().done - samples.front().done) / span.seconds();
}

std::string Progress::TaskProgress::Eta(Instant now) const {
  const double rate = Rate(now);
  if (rate <= 0) return "";
  return "ETA " + DurationText(static_cast<double>(status.counts.unfinished()) / rate);
}

Progress::Row Progress::RowOf(const TaskProgress& task, Instant now) const {
  const BlockCounts& counts = task.status.counts;
  Row row;
  row.name = Printable(task.status.task);
  row.fraction = Fraction(counts);
  row.done = fmt::format("{:3}% {}/{}", Percent(counts), Done(counts), Total(counts));
  row.long_counts = LongCounts(counts);
  row.short_counts = ShortCounts(counts);
  row.rate = RateText(task.Rate(now));
  row.eta = task.Eta(now);
  return row;
}

std::vector<size_t> Progress::Chosen(int height) const {
  std::vector<size_t> chosen(tasks_.size());
  for (size_t i = 0; i < chosen.size(); ++i) chosen[i] = i;
  const auto shown = static_cast<size_t>(std::max(height, 1));
  if (chosen.size() <= shown) return chosen;
  std::stable_sort(chosen.begin(), chosen.end(), [this](size_t a, size_t b) {
    return Order(tasks_[a].status) < Order(tasks_[b].status);
  });
  chosen.resize(shown - 1);
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

std::vector<std::string> Progress::Lines(int width, int height, Instant now) const {
  std::vector<Row> rows;
  for (const size_t task : Chosen(height)) rows.push_back(RowOf(tasks_[task], now));
  const auto widest = [&rows](std::string Row::*piece) {
    int columns = 0;
    for (const Row& row : rows) columns = std::max(columns, DisplayWidth(row.*piece));
    return columns;
  };
  const int done_width = widest(&Row::done);
  const std::vector<std::vector<std::string Row::*>> levels = {
      {&Row::long_counts, &Row::rate, &Row::eta},
      {&Row::short_counts, &Row::rate, &Row::eta},
      {&Row::rate, &Row::eta},
      {}};
  int name_width = std::min(widest(&Row::name), kNameWidthMax);
  int bar_width = 0;
  size_t level = 0;
  for (; level < levels.size(); ++level) {
    int needed = name_width + 1 + 1 + done_width;
    for (const auto piece : levels[level]) needed += widest(piece) > 0 ? 2 + widest(piece) : 0;
    bar_width = std::min(width - needed, kBarWidthMax);
    if (bar_width >= kBarWidthMin) break;
  }
  if (level == levels.size()) {  // no room even for a bar: the name is cut, then the numbers
    level = levels.size() - 1;
    bar_width = 0;
    name_width = std::clamp(width - 1 - done_width, kNameWidthMin, std::max(name_width, 1));
  }
  std::vector<std::string> lines;
  for (const Row& row : rows) {
    std::string line = PadRight(row.name, name_width) + " ";
    if (bar_width > 0) line += Bar(row.fraction, bar_width) + " ";
    line += PadRight(row.done, done_width);
    for (const auto piece : levels[level]) {
      if (widest(piece) > 0) line += "  " + PadRight(row.*piece, widest(piece));
    }
    line.erase(line.find_last_not_of(' ') + 1);
    lines.push_back(ClipToWidth(line, width));
  }
  if (rows.size() < tasks_.size()) {
    const auto rest = fmt::format("... and {}", Counted(tasks_.size() - rows.size(), "more task"));
    lines.push_back(ClipToWidth(rest, width));
  }
  return lines;
}

std::string Progress::PlainLine(Instant now) const {
  std::string line = fmt::format("[{}]", DurationText(elapsed_s_));
  const auto chosen = Chosen(static_cast<int>(kPlainTasksMax));
  for (size_t i = 0; i < chosen.size(); ++i) {
    const TaskProgress& task = tasks_[chosen[i]];
    const BlockCounts& counts = task.status.counts;
    line += fmt::format("{} {} {}/{} ({}%)", i == 0 ? "" : ";", Printable(task.status.task),
                        Done(counts), Total(counts), Percent(counts));
    if (counts.leased > 0) line += fmt::format(", {} running", counts.leased);
    if (counts.failed > 0) line += fmt::format(", {} failed", counts.failed);
    if (counts.orphaned > 0) line += fmt::format(", {} orphaned", counts.orphaned);
    const std::string rate = RateText(task.Rate(now));
    if (!rate.empty()) line += ", " + rate + ", " + task.Eta(now);
  }
  if (chosen.size() < tasks_.size()) {
    line += fmt::format("; {}", Counted(tasks_.size() - chosen.size(), "more task"));
  }
  return line;
}

}  // namespace bellis
