#include "tools/plan_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/text/printable.h"
#include "tools/text.h"

namespace bellis {
namespace {

constexpr size_t kLevelLinesShown = 12;
constexpr int kLabelWidth = 19;
constexpr size_t kColumns = 100;

// ---- pieces ----

/// "label words": words that do not fit continue on the next line, below the first words.
std::string Line(std::string_view label, std::string_view words) {
  const std::string indent(2 + kLabelWidth, ' ');
  std::string text = "  " + PadRight(label, kLabelWidth);
  size_t column = indent.size();
  bool first = true;
  while (!words.empty()) {
    const size_t end = words.find(' ');
    const std::string_view word = words.substr(0, end);
    words.remove_prefix(end == std::string_view::npos ? words.size() : end + 1);
    const auto width = static_cast<size_t>(DisplayWidth(word));
    if (!first && column + 1 + width > kColumns) {
      text += "\n" + indent;
      column = indent.size();
      first = true;
    }
    text += first ? "" : " ";
    text += word;
    column += width + (first ? 0 : 1);
    first = false;
  }
  return text + "\n";
}

/// "1,234,567".
std::string Number(uint64_t value) {
  std::string text = std::to_string(value);
  for (size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

std::string Blocks(uint64_t count) { return Number(count) + (count == 1 ? " block" : " blocks"); }

/// "512 bytes", "12 KiB", "1.4 GiB".
std::string Bytes(uint64_t bytes) {
  constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return fmt::format("{} bytes", bytes);
  auto value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  for (; value >= 999.5 && unit + 1 < std::size(kUnits); ++unit) value /= 1024;
  return value < 9.95 ? fmt::format("{:.1f} {}", value, kUnits[unit])
                      : fmt::format("{:.0f} {}", value, kUnits[unit]);
}

template <typename Values>
std::string Times(const Values& values) {
  std::string text;
  for (const auto& value : values) {
    text += (text.empty() ? "" : " x ") + Number(static_cast<uint64_t>(value));
  }
  return text;
}

std::string Name(const std::string& name) { return "'" + Printable(name) + "'"; }

const char* ConflictName(Conflict conflict) {
  switch (conflict) {
    case Conflict::kNone: return "none";
    case Conflict::kOrdered: return "ordered";
    case Conflict::kExclusive: return "exclusive";
  }
  return "";
}

const char* SharingName(Sharing sharing) {
  switch (sharing) {
    case Sharing::kNone: return "aligned";
    case Sharing::kInTurn: return "shared_in_turn";
    case Sharing::kAtOnce: return "shared_at_once";
  }
  return "";
}

// ---- a task ----

std::string BlocksWords(const TaskPlan& task) {
  std::string words = Number(task.blocks);
  if (task.grid.size() > 1 && task.blocks > 0) words += " = " + Times(task.grid);
  if (task.has_mask && task.blocks > 0) {
    words +=
        fmt::format(", of which {} ({:.1f} %) are masked, that is left out", Number(task.masked),
                    100.0 * static_cast<double>(task.masked) / static_cast<double>(task.blocks));
  }
  return words;
}

std::string ConflictWords(const TaskPlan& task) {
  if (task.conflict == Conflict::kExclusive) {
    return "exclusive: neighbours never run at the same time, but in any order";
  }
  if (task.num_levels <= 1) return "none: any blocks may run at the same time";
  return fmt::format("ordered, in {} levels: blocks less than {} apart never run at once",
                     Number(task.num_levels), Times(task.strides));
}

std::string LevelWords(const LevelSize& size) {
  if (size.levels == 1) return fmt::format("level {}: {}", size.first_level, Blocks(size.blocks));
  return fmt::format("{} levels, from level {}: {} each", Number(size.levels), size.first_level,
                     Blocks(size.blocks));
}

std::string LevelLines(const TaskPlan& task) {
  if (task.num_levels <= 1) return "";
  const size_t shown =
      task.levels.size() <= kLevelLinesShown ? task.levels.size() : kLevelLinesShown - 1;
  std::string text;
  for (size_t i = 0; i < shown; ++i) {
    text += Line(i == 0 ? "blocks per level" : "", LevelWords(task.levels[i]));
  }
  if (shown < task.levels.size()) {
    uint64_t levels = 0;
    uint64_t least = UINT64_MAX;
    uint64_t most = 0;
    for (size_t i = shown; i < task.levels.size(); ++i) {
      levels += task.levels[i].levels;
      least = std::min(least, task.levels[i].blocks);
      most = std::max(most, task.levels[i].blocks);
    }
    text += Line("", fmt::format("{} other levels: {} to {} blocks each", Number(levels),
                                 Number(least), Number(most)));
  }
  if (task.levels_count_masked) text += Line("", "(masked blocks are counted in these)");
  return text;
}

std::string AtOnceWords(const Plan& plan, const TaskPlan& task) {
  std::string words = "at most " + Blocks(task.at_once_max);
  if (plan.exact && task.widest != task.at_once_max) {
    words += fmt::format("; {} if all blocks of the job take equally long", Number(task.widest));
  }
  return words;
}

std::string ChainWords(const Plan& plan, const TaskPlan& task) {
  std::string words = task.critical_path_exact ? "" : plan.exact ? "about " : "at most ";
  words += Blocks(task.critical_path) + (task.critical_path > 1 ? ", one after the other" : "");
  if (task.first_round > 0 && plan.tasks.size() > 1) {
    words += task.first_round == task.last_round
                 ? fmt::format("; runs in step {}", Number(task.first_round))
                 : fmt::format("; runs from step {} to {}", Number(task.first_round),
                               Number(task.last_round));
    words += fmt::format(" of the job's {}", Number(plan.critical_path));
  }
  return words;
}

std::string ReadsWords(const UpstreamReads& reads) {
  if (reads.min == reads.max) {
    return fmt::format("{}: each block reads {} of its blocks", Name(reads.task_id),
                       Number(reads.max));
  }
  return fmt::format("{}: a block reads {}{} to {} of its blocks, typically {}",
                     Name(reads.task_id), reads.exact ? "" : "about ", Number(reads.min),
                     Number(reads.max), Number(reads.typical));
}

std::string WorkersWords(const TaskPlan& task) {
  if (task.num_workers == 0) return "yours (external_workers)";
  return Number(task.num_workers) + (task.external_workers ? ", and yours (external_workers)" : "");
}

std::string ChunkWords(const ChunkSharing& chunks) {
  if (chunks.sharing == Sharing::kNone) return "aligned: no two blocks write into one chunk";
  return chunks.sharing == Sharing::kAtOnce ? "ERROR, see below" : "shared, see below";
}

std::string TaskText(const Plan& plan, const TaskPlan& task) {
  std::string text = fmt::format("\nTask {}\n", Printable(task.task_id));
  text += Line("blocks", BlocksWords(task));
  if (task.blocks == 0) return text + Line("", "no room for a block: done at once");
  text += Line("conflict", ConflictWords(task)) + LevelLines(task);
  text += Line("can run at once", AtOnceWords(plan, task));
  text += Line("longest chain", ChainWords(plan, task));
  for (size_t i = 0; i < task.upstream.size(); ++i) {
    text += Line(i == 0 ? "upstream" : "", ReadsWords(task.upstream[i]));
  }
  text += Line("workers", WorkersWords(task));
  if (task.max_failures) {
    text += Line("given up", fmt::format("after more than {} failed attempts (max_failures)",
                                         Number(*task.max_failures)));
  }
  if (task.chunks) text += Line("storage chunks", ChunkWords(*task.chunks));
  return text;
}

// ---- the job ----

std::string HowWords(const Plan& plan) {
  if (!plan.exact) {
    return "by arithmetic: 'at most' is an upper bound, 'about' an estimate, all else is exact";
  }
  std::string words = fmt::format("exact, by playing all {} through, each taking one step",
                                  Blocks(plan.blocks_played));
  if (plan.has_exclusive()) words += "; of exclusive tasks in one order of many";
  return words;
}

std::string JobChainWords(const Plan& plan) {
  return (plan.exact ? "" : "at most ") + Blocks(plan.critical_path) +
         (plan.has_exclusive()
              ? ": the job's length in block times, with as many workers as can run at once"
              : ": the job's length in block times, however many workers");
}

std::string JobText(const Plan& plan) {
  std::string text = fmt::format("\nJob {}\n", Printable(plan.name));
  text +=
      Line("blocks",
           Number(plan.blocks) +
               (plan.masked > 0 ? fmt::format(", {} of them masked", Number(plan.masked)) : ""));
  text += Line("can run at once",
               plan.exact ? fmt::format("{} if all take equally long; more workers would wait",
                                        Blocks(plan.widest))
                          : "at most " + Blocks(plan.at_once_max));
  text += Line("longest chain", JobChainWords(plan));
  text += Line("broker memory",
               fmt::format("about {} for block states and queues if workers keep pace, {} at most",
                           Bytes(plan.memory.expected), Bytes(plan.memory.at_most)));
  if (plan.serial) text += Line("serial", "one block at a time, whatever could run at once");
  return text + Line("these numbers", HowWords(plan));
}

std::string ChunkAdvice(const TaskPlan& task) {
  const ChunkSharing& chunks = *task.chunks;
  std::string when =
      chunks.sharing == Sharing::kAtOnce
          ? "and may run at the same time: data would be lost"
          : "but never run at the same time; each reads and rewrites what the other wrote";
  return fmt::format(
      "task {}: in dimension {}, blocks at positions {} and {} write into one chunk of {}, {} "
      "(a block ends at {}, no multiple of {}); write_roi.shape[{}] = {} with "
      "total_roi.offset[{}] = {} would be aligned{}",
      Name(task.task_id), chunks.dim, chunks.first, chunks.second, chunks.chunk, when,
      chunks.boundary, chunks.chunk, chunks.dim, chunks.write_shape, chunks.dim,
      chunks.total_offset, task.masked > 0 ? " (masked blocks are not left out here)" : "");
}

nlohmann::ordered_json TaskToJson(const TaskPlan& task) {
  nlohmann::ordered_json json;
  json["task"] = task.task_id;
  json["grid"] = task.grid;
  json["blocks"] = task.blocks;
  json["masked"] = task.masked;
  json["conflict"] = ConflictName(task.conflict);
  json["order"] = task.order == Order::kFifo ? "fifo" : "deepest";
  json["levels"] = task.num_levels;
  json["strides"] = task.strides;
  json["level_sizes"] = nlohmann::ordered_json::array();
  for (const LevelSize& size : task.levels) {
    json["level_sizes"].push_back(
        {{"first_level", size.first_level}, {"levels", size.levels}, {"blocks", size.blocks}});
  }
  json["level_sizes_count_masked"] = task.levels_count_masked;
  json["at_once_max"] = task.at_once_max;
  json["widest"] = task.widest;
  json["critical_path"] = task.critical_path;
  json["critical_path_exact"] = task.critical_path_exact;
  json["first_step"] = task.first_round;
  json["last_step"] = task.last_round;
  json["upstream"] = nlohmann::ordered_json::array();
  for (const UpstreamReads& reads : task.upstream) {
    json["upstream"].push_back({{"task", reads.task_id},
                                {"reads_min", reads.min},
                                {"reads_typical", reads.typical},
                                {"reads_max", reads.max},
                                {"reads_exact", reads.exact}});
  }
  json["num_workers"] = task.num_workers;
  if (task.max_failures) json["max_failures"] = *task.max_failures;
  json["external_workers"] = task.external_workers;
  json["idle_workers"] = task.idle_workers();
  json["memory_at_most_bytes"] = task.memory.at_most;
  json["chunks"] = nullptr;
  if (!task.chunks) return json;
  json["chunks"] = {{"sharing", SharingName(task.chunks->sharing)}};
  if (task.chunks->sharing == Sharing::kNone) return json;
  json["chunks"].update({{"dim", task.chunks->dim},
                         {"positions", {task.chunks->first, task.chunks->second}},
                         {"boundary", task.chunks->boundary},
                         {"chunk", task.chunks->chunk},
                         {"aligned_write_shape", task.chunks->write_shape},
                         {"aligned_total_offset", task.chunks->total_offset}});
  return json;
}

std::string Section(const char* mark, const std::vector<std::string>& sentences) {
  std::string text;
  for (const std::string& sentence : sentences) text += "\n" + Line(mark, sentence);
  return text;
}

}  // namespace

std::vector<std::string> PlanWarnings(const Plan& plan) {
  std::vector<std::string> warnings;
  for (const TaskPlan& task : plan.tasks) {
    if (task.why_no_blocks) {
      warnings.push_back(
          fmt::format("task {} has no blocks: {}", Name(task.task_id), *task.why_no_blocks));
    }
    if (task.idle_workers() > 0) {
      warnings.push_back(fmt::format(
          "task {}: {} workers, but never more than {} can run at once; {} would always wait",
          Name(task.task_id), Number(task.num_workers), Blocks(task.at_once_max),
          Number(task.idle_workers())));
    }
    if (task.chunks && task.chunks->sharing == Sharing::kInTurn) {
      warnings.push_back(ChunkAdvice(task));
    }
  }
  return warnings;
}

std::vector<std::string> PlanErrors(const Plan& plan) {
  std::vector<std::string> errors;
  for (const TaskPlan& task : plan.tasks) {
    if (task.chunks && task.chunks->sharing == Sharing::kAtOnce) {
      errors.push_back(ChunkAdvice(task));
    }
  }
  return errors;
}

std::string PlanText(const Plan& plan) {
  std::string text;
  for (const TaskPlan& task : plan.tasks) text += TaskText(plan, task);
  return text + JobText(plan) + Section("warning", PlanWarnings(plan)) +
         Section("error", PlanErrors(plan));
}

nlohmann::ordered_json PlanToJson(const Plan& plan) {
  nlohmann::ordered_json json;
  json["name"] = plan.name;
  json["serial"] = plan.serial;
  json["exact"] = plan.exact;
  json["blocks_played"] = plan.blocks_played;
  json["blocks"] = plan.blocks;
  json["masked"] = plan.masked;
  json["at_once_max"] = plan.at_once_max;
  json["widest"] = plan.widest;
  json["critical_path"] = plan.critical_path;
  json["critical_path_exact"] = plan.exact && !plan.has_exclusive();
  json["memory_expected_bytes"] = plan.memory.expected;
  json["memory_at_most_bytes"] = plan.memory.at_most;
  json["tasks"] = nlohmann::ordered_json::array();
  for (const TaskPlan& task : plan.tasks) json["tasks"].push_back(TaskToJson(task));
  json["warnings"] = PlanWarnings(plan);
  json["errors"] = PlanErrors(plan);
  return json;
}

}  // namespace bellis
