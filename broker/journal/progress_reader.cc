// Reads the state that a broker takes over from an earlier one.

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "broker/journal/store.h"

namespace bellis {
namespace {

using Json = nlohmann::json;

Error Damaged(const std::string& where, const std::string& what) {
  return {
      ErrorCode::kStorage,
      fmt::format("{}: {}; put back a copy of the state directory, or start over in another one",
                  where, what)};
}

ProcessRef ProcessOf(const Json& tree) {
  return {tree.at("host").get<std::string>(), tree.at("machine").get<std::string>(),
          tree.at("pid").get<int64_t>()};
}

Session SessionOf(int64_t worker, const Json& tree) {
  Session session;
  session.worker = WorkerId(static_cast<uint64_t>(worker));
  session.key = tree.at("key").get<uint64_t>();
  session.job = JobNumber(tree.at("job").get<uint64_t>());
  session.task = tree.at("task").get<TaskIndex>();
  session.duty = static_cast<Duty>(std::clamp(tree.at("duty").get<int>(), 0, kDuties - 1));
  session.group = tree.at("group").get<uint32_t>();
  session.heartbeat_ms = tree.at("heartbeat_ms").get<uint32_t>();
  session.lease_ms = tree.value("lease_ms", uint32_t{0});
  session.language = tree.at("language").get<std::string>();
  session.process = ProcessOf(tree.at("process"));
  session.launched = tree.at("launched").get<bool>();
  session.launcher = ProcessOf(tree.at("launcher"));
  session.replaced = tree.value("replaced", std::vector<uint64_t>());
  session.starter = WorkerId(tree.value("starter", uint64_t{0}));
  session.vacant = tree.value("vacant", false);
  session.slot = tree.value("slot", uint32_t{0});
  return session;
}

std::vector<BlockCounts> CountsOf(const Json& tree) {
  std::vector<BlockCounts> all;
  for (const Json& task : tree) {
    const auto c = task.get<std::array<uint64_t, 9>>();
    all.push_back({c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8]});
  }
  return all;
}

std::optional<JobState> StateOf(const std::string& name) {
  for (const JobState state :
       {JobState::kRunning, JobState::kCompleted, JobState::kFailed, JobState::kCancelled}) {
    if (name == JobStateName(state)) return state;
  }
  return std::nullopt;
}

/// The union of two ascending lists of runs. A block that is in both counts once.
std::vector<BlockRun> Union(const std::vector<BlockRun>& a, const std::vector<BlockRun>& b) {
  std::vector<BlockRun> sorted;
  sorted.reserve(a.size() + b.size());
  std::merge(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(sorted),
             [](const BlockRun& x, const BlockRun& y) { return x.begin < y.begin; });
  std::vector<BlockRun> all;
  for (const BlockRun& run : sorted) {
    if (!all.empty() && run.begin <= all.back().end) {
      all.back().end = std::max(all.back().end, run.end);
    } else {
      all.push_back(run);
    }
  }
  return all;
}

std::vector<BlockRun> RunsOf(std::vector<BlockIndex> blocks) {
  std::sort(blocks.begin(), blocks.end());
  std::vector<BlockRun> runs;
  for (const BlockIndex block : blocks) {
    if (!runs.empty() && block < runs.back().end) continue;
    if (!runs.empty() && block == runs.back().end) {
      ++runs.back().end;
    } else {
      runs.push_back({block, block + 1});
    }
  }
  return runs;
}

bool Has(const std::vector<BlockRun>& runs, BlockIndex block) {
  const auto after =
      std::upper_bound(runs.begin(), runs.end(), block,
                       [](BlockIndex at, const BlockRun& run) { return at < run.begin; });
  return after != runs.begin() && block < std::prev(after)->end;
}

/// The progress of a job, which is read table by table.
class Progress {
 public:
  Progress(JobNumber job, size_t num_tasks) : job_(job), tasks_(num_tasks), attempts_(num_tasks) {}

  JobNumber job() const { return job_; }
  int64_t number() const { return static_cast<int64_t>(job_.value); }

  /// nullptr: the job has no such task.
  TaskProgress* task(int64_t t) {
    return t >= 0 && static_cast<size_t>(t) < tasks_.size() ? &tasks_[static_cast<size_t>(t)]
                                                            : nullptr;
  }
  /// Sets the failed attempts at a block, overwriting an earlier call. Requires that the job has
  /// the task.
  void SetAttempts(int64_t t, BlockIndex block, uint32_t failed) {
    attempts_[static_cast<size_t>(t)][block] = failed;
  }
  /// The complete progress, without attempts at blocks that have ended.
  std::vector<TaskProgress> Done() && {
    for (size_t t = 0; t < tasks_.size(); ++t) {
      for (const auto& [block, failed] : attempts_[t]) {
        if (Has(tasks_[t].completed, block) || Has(tasks_[t].failed, block)) continue;
        tasks_[t].attempts.emplace_back(block, failed);
      }
    }
    return std::move(tasks_);
  }

 private:
  const JobNumber job_;
  std::vector<TaskProgress> tasks_;
  std::vector<std::map<BlockIndex, uint32_t>> attempts_;
};

/// The number of tasks in the job's stored spec.
Result<size_t> NumTasksOf(Database& db, Codec& codec, JobNumber job) {
  auto query = db.Prepare("SELECT spec FROM jobs WHERE number = ?");
  if (!query.ok()) return query.error();
  const auto row = query->Bind(static_cast<int64_t>(job.value)).Step();
  if (!row.ok()) return row.error();
  if (!*row) return Error{ErrorCode::kStorage, fmt::format("job {} is not stored", job.value)};
  const std::string spec = query->Bytes(0);
  DecodeResult decoded = codec.Decode({spec.data(), spec.size()});
  if (!decoded.ok() || !std::holds_alternative<SubmitMsg>(decoded.message())) {
    return Damaged(fmt::format("table jobs, row {}", job.value), "spec");
  }
  return std::get<SubmitMsg>(decoded.message()).spec.tasks.size();
}

/// Reads the blocks that had ended by the last compaction.
Status ReadChunks(Database& db, Progress* progress) {
  auto query = db.Prepare(
      "SELECT task, kind, chunk, data FROM chunks WHERE job = ? ORDER BY task, kind, chunk");
  if (!query.ok()) return query.error();
  query->Bind(progress->number());
  return EachRow(*query, [progress](Database::Query& row) -> Status {
    TaskProgress* task = progress->task(row.Int(0));
    const auto chunk = static_cast<uint64_t>(row.Int(2));
    const auto kind = static_cast<int>(row.Int(1));
    auto bits = DecodeChunk(
        row.Bytes(3), ChunkPlace(progress->job(), static_cast<TaskIndex>(row.Int(0)), kind, chunk));
    if (task == nullptr || chunk > kStoredIndexMax / kChunkBlocks || !bits.ok()) {
      return Damaged(fmt::format("table chunks, row {}/{}/{}/{}", progress->number(), row.Int(0),
                                 row.Int(1), row.Int(2)),
                     bits.ok() ? "no such task or chunk" : bits.error().message);
    }
    AppendRuns(*bits, chunk * kChunkBlocks, kind == 0 ? &task->completed : &task->failed);
    return OkStatus();
  });
}

/// Reads the failed attempts at blocks that had not ended by the last compaction.
Status ReadAttempts(Database& db, Progress* progress) {
  auto query = db.Prepare("SELECT task, block, failed FROM attempts WHERE job = ?");
  if (!query.ok()) return query.error();
  query->Bind(progress->number());
  return EachRow(*query, [progress](Database::Query& row) -> Status {
    if (progress->task(row.Int(0)) == nullptr) return Damaged("table attempts", "no such task");
    progress->SetAttempts(row.Int(0), static_cast<BlockIndex>(row.Int(1)),
                          static_cast<uint32_t>(row.Int(2)));
    return OkStatus();
  });
}

/// Reads the number of blocks that were skipped by the last compaction, and of all failures.
Status ReadTaskSums(Database& db, Progress* progress) {
  auto query = db.Prepare("SELECT task, skipped, failures FROM tasks WHERE job = ?");
  if (!query.ok()) return query.error();
  query->Bind(progress->number());
  return EachRow(*query, [progress](Database::Query& row) -> Status {
    TaskProgress* task = progress->task(row.Int(0));
    if (task == nullptr) return Damaged("table tasks", "no such task");
    task->skipped = static_cast<uint64_t>(row.Int(1));
    task->failures_total = static_cast<uint64_t>(row.Int(2));
    return OkStatus();
  });
}

/// Reads the texts of each task's first failures.
Status ReadFailures(Database& db, Progress* progress) {
  auto query = db.Prepare(
      "SELECT task, block, id, attempt, worker, error FROM failures WHERE job = ? "
      "ORDER BY task, number");
  if (!query.ok()) return query.error();
  query->Bind(progress->number());
  return EachRow(*query, [progress](Database::Query& row) -> Status {
    TaskProgress* task = progress->task(row.Int(0));
    if (task == nullptr) return Damaged("table failures", "no such task");
    task->failures.push_back({row.Int(2), static_cast<BlockIndex>(row.Int(1)),
                              static_cast<uint32_t>(row.Int(3)),
                              WorkerId(static_cast<uint64_t>(row.Int(4))), row.Bytes(5)});
    return OkStatus();
  });
}

/// Adds what was committed since the last compaction.
Status AddGroups(std::map<TaskIndex, Group::Task>&& groups, Progress* progress) {
  for (auto& [t, sets] : groups) {
    TaskProgress* task = progress->task(t);
    if (task == nullptr) return Damaged("table groups", "no such task");
    auto& done = sets.blocks[Group::kCompleted];
    const auto& skipped = sets.blocks[Group::kSkipped];
    task->skipped += skipped.size();
    done.insert(done.end(), skipped.begin(), skipped.end());
    task->completed = Union(task->completed, RunsOf(std::move(done)));
    task->failed = Union(task->failed, RunsOf(std::move(sets.blocks[Group::kFailed])));
    for (const auto& [block, failed] : sets.attempts) progress->SetAttempts(t, block, failed);
  }
  return OkStatus();
}

}  // namespace

Result<Saved> Store::ReadSaved() {
  Saved saved;
  saved.marks = {std::max<uint64_t>(marks_.lease, 1), std::max<uint64_t>(marks_.worker, 1)};
  auto jobs =
      db_.Prepare("SELECT number, id, state, reason, counts, spec FROM jobs ORDER BY number");
  if (!jobs.ok()) return jobs.error();
  while (true) {
    const auto row = jobs->Step();
    if (!row.ok()) return row.error();
    if (!*row) break;
    const std::string where = fmt::format("table jobs, row {}", jobs->Int(0));
    SavedJob job;
    job.job = JobNumber(static_cast<uint64_t>(jobs->Int(0)));
    job.id = jobs->Bytes(1);
    const auto state = StateOf(jobs->Bytes(2));
    if (!state) return Damaged(where, fmt::format("state is \"{}\"", jobs->Bytes(2)));
    job.state = *state;
    job.reason = jobs->Bytes(3);
    try {
      job.counts = CountsOf(Json::parse(jobs->Bytes(4)));
    } catch (const Json::exception& error) {
      return Damaged(where, fmt::format("counts: {}", error.what()));
    }
    const std::string spec = jobs->Bytes(5);
    DecodeResult decoded = codec_->Decode({spec.data(), spec.size()});
    if (!decoded.ok()) return Damaged(where, "spec: " + decoded.error().message);
    auto* submit = std::get_if<SubmitMsg>(&decoded.message());
    if (submit == nullptr) return Damaged(where, "spec is not a submit");
    job.spec = std::move(submit->spec);
    auto languages = ReadLanguages(job.job, job.spec.tasks.size());
    if (!languages.ok()) return languages.error();
    job.languages = std::move(*languages);
    saved.jobs.push_back(std::move(job));
  }
  auto sessions = db_.Prepare("SELECT worker, data FROM sessions ORDER BY worker");
  if (!sessions.ok()) return sessions.error();
  while (true) {
    const auto row = sessions->Step();
    if (!row.ok()) return row.error();
    if (!*row) break;
    try {
      saved.sessions.push_back(SessionOf(sessions->Int(0), Json::parse(sessions->Bytes(1))));
    } catch (const Json::exception& error) {
      return Damaged(fmt::format("table sessions, row {}", sessions->Int(0)), error.what());
    }
  }
  return saved;
}

/// Reads every row, only for the errors, which name the row.
Status Store::ReadAll() {
  auto saved = ReadSaved();
  if (!saved.ok()) return saved.error();
  for (const SavedJob& job : saved->jobs) {
    if (auto progress = ReadProgress(job.job); !progress.ok()) return progress.error();
  }
  return OkStatus();
}

Result<std::vector<std::vector<LanguageTotal>>> Store::ReadLanguages(JobNumber job,
                                                                     size_t num_tasks) {
  std::vector<std::vector<LanguageTotal>> all(num_tasks);
  auto query = db_.Prepare(
      "SELECT task, language, blocks, us FROM languages WHERE job = ? ORDER BY task, language");
  if (!query.ok()) return query.error();
  query->Bind(static_cast<int64_t>(job.value));
  while (true) {
    const auto row = query->Step();
    if (!row.ok()) return row.error();
    if (!*row) return all;
    const int64_t task = query->Int(0);
    if (task < 0 || static_cast<size_t>(task) >= num_tasks || query->Int(2) < 0 ||
        query->Int(3) < 0) {
      return Damaged("table languages", "no such task, or a number below 0");
    }
    all[static_cast<size_t>(task)].push_back({query->Bytes(1), static_cast<uint64_t>(query->Int(2)),
                                              static_cast<uint64_t>(query->Int(3))});
  }
}

Result<std::vector<TaskProgress>> Store::ReadProgress(JobNumber job) {
  const auto num_tasks = NumTasksOf(db_, *codec_, job);
  if (!num_tasks.ok()) return num_tasks.error();
  Progress progress(job, *num_tasks);
  for (const auto& read : {ReadChunks, ReadAttempts, ReadTaskSums, ReadFailures}) {
    if (Status status = read(db_, &progress); !status.ok()) return status.error();
  }
  auto groups = ReadGroups(job);
  if (!groups.ok()) return groups.error();
  if (Status added = AddGroups(std::move(*groups), &progress); !added.ok()) return added.error();
  return std::move(progress).Done();
}

}  // namespace bellis
