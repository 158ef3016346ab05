// Compaction: merges the blocks that each commit added (groups) into chunks of neighbouring blocks.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/journal/store.h"

namespace bellis {
namespace {

enum ChunkKind { kCompletedChunk, kFailedChunk };

}  // namespace

Status Store::Compact() {
  std::vector<JobNumber> jobs;
  {
    auto query = db_.Prepare("SELECT DISTINCT job FROM groups");
    if (!query.ok()) return query.error();
    while (true) {
      const auto row = query->Step();
      if (!row.ok()) return row.error();
      if (!*row) break;
      jobs.emplace_back(static_cast<uint64_t>(query->Int(0)));
    }
  }
  Status merged = InTransaction([this, &jobs]() -> Status {
    for (const JobNumber job : jobs) {
      if (Status status = CompactJob(job); !status.ok()) return status;
    }
    return OkStatus();
  });
  if (merged.ok()) merged = Acknowledge();
  if (!merged.ok()) return merged;
  if (Status counted = CountBytes(); !counted.ok()) return counted;
  return Checkpoint();
}

Status Store::CompactJob(JobNumber job) {
  auto tasks = ReadGroups(job);
  if (!tasks.ok()) return tasks.error();
  for (auto& [task, sets] : *tasks) {
    if (Status merged = CompactTask(job, task, &sets); !merged.ok()) return merged;
  }
  return Run("DELETE FROM groups WHERE job = ?",
             [&](auto& query) { query.Bind(static_cast<int64_t>(job.value)); });
}

/// Moves a task's blocks from its groups to the tables tasks, attempts and chunks.
Status Store::CompactTask(JobNumber job, TaskIndex task, Group::Task* sets) {
  auto& completed = sets->blocks[Group::kCompleted];
  const auto& skipped = sets->blocks[Group::kSkipped];
  auto& failed = sets->blocks[Group::kFailed];
  const auto number = static_cast<int64_t>(job.value);
  Status written = Run(
      "INSERT INTO tasks VALUES(?1, ?2, ?3, 0) ON CONFLICT DO UPDATE SET skipped = skipped + ?3",
      [&](auto& query) {
        query.Bind(number).Bind(task).Bind(static_cast<int64_t>(skipped.size()));
      });
  if (!written.ok()) return written;
  for (const auto& entry : sets->attempts) {
    written = Run("INSERT OR REPLACE INTO attempts VALUES(?, ?, ?, ?)", [&](auto& query) {
      query.Bind(number).Bind(task).Bind(static_cast<int64_t>(entry.first)).Bind(entry.second);
    });
    if (!written.ok()) return written;
  }
  completed.insert(completed.end(), skipped.begin(), skipped.end());
  written = MergeChunks(job, task, kCompletedChunk, completed);
  if (written.ok()) written = MergeChunks(job, task, kFailedChunk, failed);
  if (!written.ok()) return written;
  std::sort(completed.begin(), completed.end());
  std::sort(failed.begin(), failed.end());
  return ForgetAttempts(job, task, completed, failed);
}

/// Removes the attempts at blocks that have ended, which are no longer needed. `completed`,
/// `failed`: ascending.
Status Store::ForgetAttempts(JobNumber job, TaskIndex task,
                             const std::vector<BlockIndex>& completed,
                             const std::vector<BlockIndex>& failed) {
  const auto number = static_cast<int64_t>(job.value);
  std::vector<int64_t> ended;
  {
    auto query = db_.Prepare("SELECT block FROM attempts WHERE job = ? AND task = ?");
    if (!query.ok()) return query.error();
    query->Bind(number).Bind(task);
    Status read = EachRow(*query, [&](Database::Query& row) -> Status {
      const auto block = static_cast<BlockIndex>(row.Int(0));
      if (std::binary_search(completed.begin(), completed.end(), block) ||
          std::binary_search(failed.begin(), failed.end(), block)) {
        ended.push_back(row.Int(0));
      }
      return OkStatus();
    });
    if (!read.ok()) return read;
  }
  for (const int64_t block : ended) {
    Status erased = Run("DELETE FROM attempts WHERE job = ? AND task = ? AND block = ?",
                        [&](auto& query) { query.Bind(number).Bind(task).Bind(block); });
    if (!erased.ok()) return erased;
  }
  return OkStatus();
}

Status Store::MergeChunks(JobNumber job, TaskIndex task, int kind,
                          const std::vector<BlockIndex>& blocks) {
  std::map<uint64_t, std::vector<BlockIndex>> by_chunk;
  for (const BlockIndex block : blocks) by_chunk[block / kChunkBlocks].push_back(block);
  for (const auto& [chunk, members] : by_chunk) {
    ChunkBits bits(kChunkBlocks / 64);
    const std::string place = ChunkPlace(job, task, kind, chunk);
    {
      auto read = db_.Prepare(
          "SELECT data FROM chunks WHERE job = ? AND task = ? AND kind = ? AND chunk = ?");
      if (!read.ok()) return read.error();
      const auto row = read->Bind(static_cast<int64_t>(job.value))
                           .Bind(task)
                           .Bind(kind)
                           .Bind(static_cast<int64_t>(chunk))
                           .Step();
      if (!row.ok()) return row.error();
      if (*row) {
        auto stored = DecodeChunk(read->Bytes(0), place);
        if (!stored.ok()) return stored.error();
        bits = std::move(*stored);
      }
    }
    for (const BlockIndex block : members) {
      bits[block % kChunkBlocks / 64] |= uint64_t{1} << block % 64;
    }
    auto write = db_.Prepare("INSERT OR REPLACE INTO chunks VALUES(?, ?, ?, ?, ?)");
    if (!write.ok()) return write.error();
    if (Status written = write->Bind(static_cast<int64_t>(job.value))
                             .Bind(task)
                             .Bind(kind)
                             .Bind(static_cast<int64_t>(chunk))
                             .BindBlob(EncodeChunk(bits, place))
                             .Run();
        !written.ok()) {
      return written;
    }
  }
  return OkStatus();
}

/// Reads all groups of a job into one.
Result<std::map<TaskIndex, Group::Task>> Store::ReadGroups(JobNumber job) {
  auto query = db_.Prepare("SELECT seq, data FROM groups WHERE job = ? ORDER BY seq");
  if (!query.ok()) return query.error();
  query->Bind(static_cast<int64_t>(job.value));
  std::map<TaskIndex, Group::Task> tasks;
  while (true) {
    const auto row = query->Step();
    if (!row.ok()) return row.error();
    if (!*row) return tasks;
    auto group = DecodeGroup(query->Bytes(1), GroupPlace(job));
    if (!group.ok()) {
      return Error{ErrorCode::kStorage,
                   fmt::format("table groups, row {}: {}; put back a copy of the state directory, "
                               "or start over in another one",
                               query->Int(0), group.error().message)};
    }
    for (auto& [task, sets] : group->tasks) {
      Group::Task& all = tasks[task];
      for (size_t kind = 0; kind < Group::kKinds; ++kind) {
        all.blocks[kind].insert(all.blocks[kind].end(), sets.blocks[kind].begin(),
                                sets.blocks[kind].end());
      }
      all.attempts.insert(all.attempts.end(), sets.attempts.begin(), sets.attempts.end());
    }
  }
}

Status Store::Checkpoint() {
  if (Status intact = guard_.Check(); !intact.ok()) return intact;
  Status moved = db_.Execute("PRAGMA wal_checkpoint(TRUNCATE)");
  guard_.Remember();  // even a failed checkpoint may have changed the files
  return moved;
}

}  // namespace bellis
