#include "common/task/pipeline.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "common/check.h"
#include "common/task/job_rules.h"
#include "common/task/mask_reader.h"
#include "common/task/tiling.h"

namespace bellis {
namespace {

using Positions = std::unordered_map<std::string_view, size_t>;

std::string Number(int64_t number) { return std::to_string(number); }

std::span<const int64_t> Values(const Coordinate& c) { return {c.begin(), c.end()}; }

void CheckText(const std::string& text, const FieldPath& path, FirstTrouble& trouble) {
  if (text.find('\0') != std::string::npos) {
    trouble.Set(path, "is " + Quoted(text) + "; text without NUL characters");
  } else if (!IsUtf8(text)) {
    trouble.Set(path, "is " + Quoted(text) + "; text in UTF-8");
  }
}

/// Checks a task id or a job's name. Both are also names of log folders, in which '/' is written
/// %2F and '%' is written %25.
void CheckId(const std::string& id, const FieldPath& path, FirstTrouble& trouble) {
  CheckText(id, path, trouble);
  const auto escaped =
      std::count_if(id.begin(), id.end(), [](char c) { return c == '/' || c == '%'; });
  const size_t bytes = id.size() + 2 * static_cast<size_t>(escaped);
  if (id.empty()) {
    trouble.Set(path, "is empty; at least one character");
  } else if (id.find('\n') != std::string::npos) {
    trouble.Set(path, "is " + Quoted(id) + "; a name of one line");
  } else if (id == "." || id == "..") {
    trouble.Set(path, "is " + Quoted(id) + "; a name that can be a folder's");
  } else if (bytes > kIdBytesMax) {
    trouble.Set(path, "has " + std::to_string(bytes) + " bytes, where / and % count 3; at most " +
                          std::to_string(kIdBytesMax));
  }
}

void CheckEnv(const Environment& env, const FieldPath& path, FirstTrouble& trouble) {
  for (const auto& [name, value] : env) {
    CheckText(name, path.Key(name), trouble);
    CheckText(value, path.Key(name), trouble);
    if (name.empty() || name.find('=') != std::string::npos) {
      trouble.Set(path.Key(name), "is not a variable's name; not empty, without =");
    }
  }
}

void CheckAtMost(uint32_t value, uint32_t max, const FieldPath& path, FirstTrouble& trouble) {
  if (value > max) trouble.Set(path, "is " + Number(value) + "; at most " + Number(max));
}

void CheckGroup(const WorkerGroup& group, const FieldPath& at, FirstTrouble& trouble) {
  const FieldPath command = at.Key("command");
  if (group.command.empty()) trouble.Set(command, "is empty; a program and its arguments");
  for (size_t i = 0; i < group.command.size(); ++i) {
    CheckText(group.command[i], command.At(i), trouble);
  }
  if (!group.command.empty() && group.command[0].empty()) {
    trouble.Set(command.At(0), "is empty; a program");
  }
  if (group.count < 1 || group.count > kWorkersPerGroupMax) {
    trouble.Set(at.Key("count"), "is " + Number(group.count) + "; a whole number from 1 to " +
                                     Number(kWorkersPerGroupMax));
  }
  CheckEnv(group.env, at.Key("env"), trouble);
}

void CheckWorkers(const TaskSpec& task, const FieldPath& path, FirstTrouble& trouble) {
  if (task.workers.empty() && !task.external_workers) {
    trouble.Set(path.Key("workers"),
                "is missing; at least one {command = [...]}, or external_workers = true");
  }
  if (task.min_workers > task.num_workers() && !task.external_workers) {
    trouble.Set(path.Key("min_workers"), "is " + Number(task.min_workers) + "; at most the " +
                                             std::to_string(task.num_workers()) +
                                             " workers of the task");
  }
  for (size_t g = 0; g < task.workers.size() && !trouble.any(); ++g) {
    CheckGroup(task.workers[g], path.Key("workers").At(g), trouble);
  }
  if (task.check) CheckGroup(*task.check, path.Key("check"), trouble);
  if (task.post_check) CheckGroup(*task.post_check, path.Key("post_check"), trouble);
}

void CheckChunkShape(const TaskSpec& task, int rank, const FieldPath& path, FirstTrouble& trouble) {
  const FieldPath at = path.Key("chunk_shape");
  if (task.chunk_shape.rank() == 0) return;
  if (task.chunk_shape.rank() != rank) {
    trouble.Set(at, "has " + Number(task.chunk_shape.rank()) + " dimensions; " + Number(rank) +
                        ", as total_roi has");
  }
  for (int d = 0; d < task.chunk_shape.rank(); ++d) {
    if (task.chunk_shape[d] >= 1 && task.chunk_shape[d] <= kWorldMax) continue;
    trouble.Set(at.At(static_cast<size_t>(d)),
                "is " + Number(task.chunk_shape[d]) + "; 1 to " + Number(kWorldMax) + " (2^61)");
  }
}

/// If blocks conflict, the write ROI must lie in the read ROI. The distance of their faces is
/// bounded.
void CheckContext(const TaskSpec& task, const FieldPath& path, FirstTrouble& trouble) {
  if (task.read_write_conflict != Conflict::kNone && !task.read_roi.Contains(task.write_roi)) {
    trouble.Set(path.Key("write_roi"),
                "is " + task.write_roi.ToString() + ", not inside read_roi " +
                    task.read_roi.ToString() +
                    "; it may lie elsewhere only with read_write_conflict = false");
  }
  if (trouble.any()) return;
  const Coordinate lo = ContextBefore(task);
  const Coordinate hi = ContextBehind(task);
  for (const auto& [context, face] : {std::pair(lo, "begins"), std::pair(hi, "ends")}) {
    for (int d = 0; d < context.rank(); ++d) {
      if (context[d] >= -kWorldMax && context[d] <= kWorldMax) continue;
      trouble.Set(path.Key("write_roi"), std::string(face) + " " + Number(std::abs(context[d])) +
                                             " away from read_roi in dimension " + Number(d) +
                                             "; at most " + Number(kWorldMax) + " (2^61)");
    }
  }
}

void CheckRois(const TaskSpec& task, int rank, const FieldPath& path, FirstTrouble& trouble) {
  const auto check = [&](const char* key, const Roi& roi, int64_t shape_min) {
    const FieldPath at = path.Key(key);
    trouble.Set(FindBoxTrouble(at, Values(roi.offset()), Values(roi.shape()), shape_min));
    if (roi.rank() == rank) return;
    trouble.Set(at, "has " + Number(roi.rank()) + " dimensions; " + Number(rank) +
                        ", as tasks[0].total_roi has");
  };
  check("total_roi", task.total_roi, 0);
  check("read_roi", task.read_roi, 1);
  check("write_roi", task.write_roi, 1);
  if (!trouble.any()) CheckContext(task, path, trouble);
  if (!trouble.any()) trouble.Set(FindTilingTrouble(task, path));
}

void CheckTask(const TaskSpec& task, int rank, const FieldPath& path, FirstTrouble& trouble) {
  CheckId(task.task_id, path.Key("task_id"), trouble);
  CheckRois(task, rank, path, trouble);
  CheckAtMost(task.max_retries, kRetriesMax, path.Key("max_retries"), trouble);
  CheckAtMost(task.max_worker_restarts, kWorkerRestartsMax, path.Key("max_worker_restarts"),
              trouble);
  CheckAtMost(task.max_failures.value_or(0), kFailuresMax, path.Key("max_failures"), trouble);
  if (task.timeout < Duration{} || task.timeout > Duration{kTimeoutSecondsMax * 1'000'000'000}) {
    trouble.Set(path.Key("timeout"), "is " + Number(task.timeout.ns) + " ns; 0 (none) to " +
                                         Number(kTimeoutSecondsMax) + " s (ten years)");
  }
  CheckAtMost(task.min_workers, kWorkersPerGroupMax, path.Key("min_workers"), trouble);
  CheckAtMost(task.prefetch.value_or(0), kPrefetchMax, path.Key("prefetch"), trouble);
  CheckWorkers(task, path, trouble);
  if (task.mask) CheckText(task.mask->file, path.Key("mask").Key("file"), trouble);
  if (task.mask) trouble.Set(FindMaskTrouble(*task.mask, rank, path.Key("mask")));
  CheckChunkShape(task, rank, path, trouble);
  CheckEnv(task.env, path.Key("env"), trouble);
}

/// Fills `positions`, from id to position. Two tasks with the same id are trouble.
void CheckUnique(const JobSpec& spec, const FieldPath& tasks, Positions& positions,
                 FirstTrouble& trouble) {
  for (size_t t = 0; t < spec.tasks.size(); ++t) {
    const auto [first, is_new] = positions.emplace(spec.tasks[t].task_id, t);
    if (is_new) continue;
    trouble.Set(tasks.At(t).Key("task_id"), "is " + Quoted(spec.tasks[t].task_id) + ", as is " +
                                                tasks.At(first->second).ToString() +
                                                "'s; each task has its own");
  }
}

void CheckUpstream(const JobSpec& spec, const FieldPath& tasks, const Positions& positions,
                   FirstTrouble& trouble) {
  for (size_t t = 0; t < spec.tasks.size() && !trouble.any(); ++t) {
    const std::vector<std::string>& upstream = spec.tasks[t].upstream;
    Positions seen;
    for (size_t i = 0; i < upstream.size() && !trouble.any(); ++i) {
      const auto fail = [&](const std::string& words) {
        trouble.Set(tasks.At(t).Key("upstream").At(i), "is " + Quoted(upstream[i]) + words);
      };
      const auto [first, is_new] = seen.emplace(upstream[i], i);
      if (!positions.contains(upstream[i])) {
        std::vector<std::string> known;
        for (const TaskSpec& task : spec.tasks) known.push_back(Quoted(task.task_id));
        fail(", no task of this job; known: " + Listed(known));
      } else if (upstream[i] == spec.tasks[t].task_id) {
        fail(", the task itself; another task");
      } else if (!is_new) {
        fail(", as is upstream[" + std::to_string(first->second) + "]; each task once");
      }
    }
  }
}

/// Positions of tasks that form a cycle: each waits for the task before it, and the first for the
/// last. Empty if there is no cycle (Kahn 1962: tasks that cannot be sorted have one).
std::vector<size_t> FindCycle(const std::vector<std::vector<size_t>>& upstream) {
  std::vector<size_t> waits_for(upstream.size());
  std::vector<std::vector<size_t>> downstream(upstream.size());
  std::vector<size_t> sorted;
  for (size_t t = 0; t < upstream.size(); ++t) {
    waits_for[t] = upstream[t].size();
    if (waits_for[t] == 0) sorted.push_back(t);
    for (const size_t u : upstream[t]) downstream[u].push_back(t);
  }
  for (size_t i = 0; i < sorted.size(); ++i) {
    for (const size_t t : downstream[sorted[i]]) {
      if (--waits_for[t] == 0) sorted.push_back(t);
    }
  }
  const auto stuck = [&](size_t t) { return waits_for[t] > 0; };
  // Every task that could not be sorted has an upstream task that could not be sorted either, so
  // walking upstream comes back to a task.
  std::vector<size_t> walk;
  std::vector<bool> walked(upstream.size());
  size_t at = 0;
  while (at < upstream.size() && !stuck(at)) ++at;
  if (at == upstream.size()) return {};
  for (; !walked[at]; at = *std::find_if(upstream[at].begin(), upstream[at].end(), stuck)) {
    walked[at] = true;
    walk.push_back(at);
  }
  std::vector<size_t> cycle(std::find(walk.begin(), walk.end(), at), walk.end());
  std::reverse(cycle.begin(), cycle.end());
  std::rotate(cycle.begin(), std::min_element(cycle.begin(), cycle.end()), cycle.end());
  return cycle;
}

void CheckAcyclic(const JobSpec& spec, const FieldPath& tasks, FirstTrouble& trouble) {
  const std::vector<size_t> cycle = FindCycle(UpstreamPositions(spec));
  if (cycle.empty()) return;
  std::vector<std::string> ids;
  ids.reserve(cycle.size());
  for (const size_t t : cycle) ids.push_back(Quoted(spec.tasks[t].task_id));
  trouble.Set(tasks.At(cycle[0]).Key("upstream"),
              "leads back to the task itself: " + Listed(ids, " -> ") + " -> " + ids[0] +
                  "; tasks without a cycle");
}

}  // namespace

std::optional<Trouble> FindBoxTrouble(const FieldPath& path, std::span<const int64_t> offset,
                                      std::span<const int64_t> shape, int64_t shape_min) {
  const auto trouble = [&path](std::string words) { return Trouble{path, std::move(words)}; };
  if (offset.empty() || offset.size() > kRankMax) {
    return Trouble{path.Key("offset"),
                   "has " + std::to_string(offset.size()) + " numbers; 1 to " + Number(kRankMax)};
  }
  if (shape.size() != offset.size()) {
    return Trouble{path.Key("shape"), "has " + std::to_string(shape.size()) +
                                          " numbers; as many as offset, " +
                                          std::to_string(offset.size())};
  }
  const std::string world = Number(-kWorldMax) + " to " + Number(kWorldMax) + " (2^61)";
  for (size_t d = 0; d < offset.size(); ++d) {
    if (offset[d] < -kWorldMax || offset[d] > kWorldMax) {
      return Trouble{path.Key("offset").At(d), "is " + Number(offset[d]) + "; " + world};
    }
    if (shape[d] < shape_min) {
      return Trouble{path.Key("shape").At(d),
                     "is " + Number(shape[d]) + "; at least " + Number(shape_min)};
    }
    if (shape[d] > kWorldMax - offset[d]) {  // cannot overflow: at most 2^62
      return trouble("begins at " + Number(offset[d]) + " and extends over " + Number(shape[d]) +
                     " in dimension " + std::to_string(d) + "; an end of at most " +
                     Number(kWorldMax) + " (2^61)");
    }
  }
  return std::nullopt;
}

std::optional<Trouble> FindTrouble(const JobSpec& spec) {
  FirstTrouble trouble;
  const FieldPath job;
  const FieldPath tasks = job.Key("tasks");
  CheckId(spec.name, job.Key("name"), trouble);
  CheckText(spec.cwd, job.Key("cwd"), trouble);
  CheckText(spec.log_dir, job.Key("log_dir"), trouble);
  CheckEnv(spec.env, job.Key("env"), trouble);
  if (spec.tasks.empty()) trouble.Set(tasks, "is empty; at least one task");
  if (spec.tasks.size() > kTasksMax) {
    trouble.Set(tasks, "has " + std::to_string(spec.tasks.size()) + " tasks; at most " +
                           std::to_string(kTasksMax));
  }
  for (size_t t = 0; t < spec.tasks.size() && !trouble.any(); ++t) {
    CheckTask(spec.tasks[t], spec.tasks[0].total_roi.rank(), tasks.At(t), trouble);
  }
  Positions positions;
  if (!trouble.any()) CheckUnique(spec, tasks, positions, trouble);
  if (!trouble.any()) CheckUpstream(spec, tasks, positions, trouble);
  if (!trouble.any()) CheckAcyclic(spec, tasks, trouble);
  return trouble.get();
}

Status ValidateJob(const JobSpec& spec) {
  if (const auto trouble = FindTrouble(spec)) return trouble->ToError();
  uint64_t mask_bytes = 0;
  for (size_t t = 0; t < spec.tasks.size(); ++t) {
    const auto& mask = spec.tasks[t].mask;
    if (!mask) continue;
    mask_bytes += mask->bits.size();
    if (mask_bytes > kJobMaskVoxelsMax / 8) {
      return Trouble{FieldPath().Key("tasks").At(t).Key("mask"),
                     "brings the masks of the job to more than " +
                         std::to_string(kJobMaskVoxelsMax) + " (2^29) voxels"}
          .ToError();
    }
    if (mask->shape.rank() > 0 && mask->bits.size() == MaskBytes(mask->shape)) continue;
    return Trouble{FieldPath().Key("tasks").At(t).Key("mask").Key("bits"),
                   mask->file.empty()
                       ? "has " + std::to_string(mask->bits.size()) + " bytes unpacked; " +
                             std::to_string(MaskBytes(mask->shape)) + " for that shape"
                       : "is missing; a file (" + Quoted(mask->file) +
                             ") is read by the program "
                             "that reads the pipeline file, not by the broker"}
        .ToError();
  }
  return OkStatus();
}

std::vector<std::vector<size_t>> UpstreamPositions(const JobSpec& spec) {
  Positions positions;
  for (size_t t = 0; t < spec.tasks.size(); ++t) positions.emplace(spec.tasks[t].task_id, t);
  std::vector<std::vector<size_t>> upstream(spec.tasks.size());
  for (size_t t = 0; t < spec.tasks.size(); ++t) {
    for (const std::string& id : spec.tasks[t].upstream) {
      const auto found = positions.find(id);
      BELLIS_CHECK(found != positions.end(),
                   "ValidateJob has checked that the upstream task exists");
      upstream[t].push_back(found->second);
    }
  }
  return upstream;
}

}  // namespace bellis
