#include "broker/journal/store.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace bellis {
namespace {

using Json = nlohmann::json;

enum ChunkKind { kCompletedChunk, kFailedChunk };

Json ToJson(const ProcessRef& process) {
  return {{"host", process.host}, {"machine", process.machine}, {"pid", process.pid}};
}

Json ToJson(const Session& session) {
  return {{"key", session.key},
          {"job", session.job.value},
          {"task", session.task},
          {"duty", static_cast<int>(session.duty)},
          {"group", session.group},
          {"heartbeat_ms", session.heartbeat_ms},
          {"lease_ms", session.lease_ms},
          {"language", session.language},
          {"process", ToJson(session.process)},
          {"launched", session.launched},
          {"launcher", ToJson(session.launcher)},
          {"replaced", session.replaced},
          {"starter", session.starter.value},
          {"vacant", session.vacant},
          {"slot", session.slot}};
}

Json ToJson(const std::vector<BlockCounts>& all) {
  Json tasks = Json::array();
  for (const BlockCounts& c : all) {
    tasks.push_back({c.blocks, c.masked, c.pending, c.ready, c.leased, c.completed, c.skipped,
                     c.failed, c.orphaned});
  }
  return tasks;
}

/// Text that no parser of JSON stumbles over, whatever bytes a worker has sent.
std::string Dump(const Json& tree) {
  return tree.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

Status Store::Write(const std::vector<Record>& records) {
  // A batch that was committed and could not be acknowledged is not written twice.
  if (!batch_committed_) {
    Status written = InTransaction([this, &records]() -> Status {
      for (const Record& record : records) {
        if (Status status = WriteRecord(record); !status.ok()) return status;
      }
      return WriteGroups();
    });
    if (!written.ok()) return written;
    for (const Record& record : records) {
      if (const auto* marks = std::get_if<Marks>(&record)) marks_ = *marks;
    }
    batch_committed_ = true;
  }
  Status acknowledged = Acknowledge();
  if (acknowledged.ok()) batch_committed_ = false;
  return acknowledged;
}

Status Store::WriteRecord(const Record& record) {
  if (const auto* done = std::get_if<BlockDone>(&record)) {
    const auto kind = done->skipped ? Group::kSkipped : Group::kCompleted;
    groups_[done->job].tasks[done->task].blocks[kind].push_back(done->block);
    if (!done->language.empty()) {
      Done& all = languages_[{done->job, done->task, done->language}];
      ++all.blocks;
      all.us += static_cast<int64_t>(done->us);
    }
    return OkStatus();
  }
  const auto run = [this](const std::string& sql, const auto& bind) -> Status {
    auto query = db_.Prepare(sql);
    if (!query.ok()) return query.error();
    bind(*query);
    return query->Run();
  };
  if (const auto* failed = std::get_if<AttemptFailed>(&record)) {
    const FailureRecord& f = failed->failure;
    Group::Task& group = groups_[failed->job].tasks[failed->task];
    if (failed->final) {
      group.blocks[Group::kFailed].push_back(f.index);
    } else {
      group.attempts.emplace_back(f.index, f.attempt);
    }
    const auto job = static_cast<int64_t>(failed->job.value);
    Status counted = run(
        "INSERT INTO tasks VALUES(?1, ?2, 0, 1) ON CONFLICT DO UPDATE SET failures = failures + 1",
        [&](auto& query) { query.Bind(job).Bind(failed->task); });
    if (!counted.ok()) return counted;
    return run(fmt::format("INSERT OR IGNORE INTO failures SELECT ?1, ?2, t.failures, ?3, ?4, ?5, "
                           "?6, ?7 FROM tasks t WHERE t.job = ?1 AND t.task = ?2 AND t.failures "
                           "<= {}",
                           kFailuresKept),
               [&](auto& query) {
                 query.Bind(job)
                     .Bind(failed->task)
                     .Bind(static_cast<int64_t>(f.index))
                     .Bind(f.block)
                     .Bind(f.attempt)
                     .Bind(static_cast<int64_t>(f.worker.value))
                     .BindText(f.error);
               });
  }
  // Everything else must find in the tables what came before it.
  if (Status written = WriteGroups(); !written.ok()) return written;
  if (const auto* marks = std::get_if<Marks>(&record)) {
    return run("INSERT OR REPLACE INTO marks VALUES(1, ?, ?)", [&](auto& query) {
      query.Bind(static_cast<int64_t>(marks->lease)).Bind(static_cast<int64_t>(marks->worker));
    });
  }
  if (const auto* begun = std::get_if<JobBegun>(&record)) {
    const auto spec = codec_->Encode(SubmitMsg{0, begun->spec});
    return run(
        "INSERT INTO jobs VALUES(?1, ?2, 'running', '', '[]', ?3) ON CONFLICT DO UPDATE SET "
        "spec = ?3",
        [&](auto& query) {
          query.Bind(static_cast<int64_t>(begun->job.value))
              .BindText(begun->id)
              .BindBlob({spec.data(), spec.size()});
        });
  }
  if (const auto* over = std::get_if<JobOver>(&record)) {
    return run("UPDATE jobs SET state = ?, reason = ?, counts = ? WHERE number = ?",
               [&](auto& query) {
                 query.BindText(JobStateName(over->state))
                     .BindText(over->reason)
                     .BindText(Dump(ToJson(over->counts)))
                     .Bind(static_cast<int64_t>(over->job.value));
               });
  }
  if (const auto* reopened = std::get_if<JobReopened>(&record)) return Reopen(reopened->job);
  if (const auto* forgotten = std::get_if<JobForgotten>(&record)) return Forget(forgotten->job);
  if (const auto* begun = std::get_if<SessionBegun>(&record)) {
    return run("INSERT OR REPLACE INTO sessions VALUES(?, ?)", [&](auto& query) {
      query.Bind(static_cast<int64_t>(begun->session.worker.value))
          .BindText(Dump(ToJson(begun->session)));
    });
  }
  const auto& over = std::get<SessionOver>(record);
  return run("DELETE FROM sessions WHERE worker = ?",
             [&](auto& query) { query.Bind(static_cast<int64_t>(over.worker.value)); });
}

/// One row a job for all blocks so far.
Status Store::WriteGroups() {
  for (auto& [job, group] : std::exchange(groups_, {})) {
    const std::string data = EncodeGroup(&group, GroupPlace(job));
    auto query = db_.Prepare("INSERT INTO groups(job, data) VALUES(?, ?)");
    if (!query.ok()) return query.error();
    if (Status written = query->Bind(static_cast<int64_t>(job.value)).BindBlob(data).Run();
        !written.ok()) {
      return written;
    }
    group_bytes_ += data.size();
  }
  return WriteLanguages();
}

/// A row for each language of a task, however many blocks were done.
Status Store::WriteLanguages() {
  for (const auto& [key, done] : std::exchange(languages_, {})) {
    const auto& [job, task, language] = key;
    auto query = db_.Prepare(
        "INSERT INTO languages VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET "
        "blocks = blocks + ?4, us = us + ?5");
    if (!query.ok()) return query.error();
    if (Status written = query->Bind(static_cast<int64_t>(job.value))
                             .Bind(task)
                             .BindText(language)
                             .Bind(done.blocks)
                             .Bind(done.us)
                             .Run();
        !written.ok()) {
      return written;
    }
  }
  return OkStatus();
}

/// Failures and attempts are forgotten, completed blocks are not.
Status Store::Reopen(JobNumber job) {
  if (Status merged = CompactJob(job); !merged.ok()) return merged;
  const std::string number = std::to_string(job.value);
  return db_.Execute(
      "UPDATE jobs SET state = 'running', reason = '', counts = '[]' WHERE number = " + number +
      "; DELETE FROM chunks WHERE kind = 1 AND job = " + number +
      "; DELETE FROM attempts WHERE job = " + number + "; DELETE FROM failures WHERE job = " +
      number + "; UPDATE tasks SET failures = 0 WHERE job = " + number);
}

Status Store::Forget(JobNumber job) {
  const std::string number = std::to_string(job.value);
  return db_.Execute("DELETE FROM jobs WHERE number = " + number +
                     "; DELETE FROM groups WHERE job = " + number +
                     "; DELETE FROM chunks WHERE job = " + number +
                     "; DELETE FROM attempts WHERE job = " + number +
                     "; DELETE FROM failures WHERE job = " + number +
                     "; DELETE FROM languages WHERE job = " + number +
                     "; DELETE FROM tasks WHERE job = " + number);
}

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
  const auto number = static_cast<int64_t>(job.value);
  auto tasks = ReadGroups(job);
  if (!tasks.ok()) return tasks.error();
  for (auto& [task, sets] : *tasks) {
    auto& completed = sets.blocks[Group::kCompleted];
    auto& skipped = sets.blocks[Group::kSkipped];
    auto& failed = sets.blocks[Group::kFailed];
    auto count = db_.Prepare(
        "INSERT INTO tasks VALUES(?1, ?2, ?3, 0) ON CONFLICT DO UPDATE SET skipped = skipped + ?3");
    if (!count.ok()) return count.error();
    if (Status counted =
            count->Bind(number).Bind(task).Bind(static_cast<int64_t>(skipped.size())).Run();
        !counted.ok()) {
      return counted;
    }
    for (const auto& [block, attempts] : sets.attempts) {
      auto put = db_.Prepare("INSERT OR REPLACE INTO attempts VALUES(?, ?, ?, ?)");
      if (!put.ok()) return put.error();
      if (Status written =
              put->Bind(number).Bind(task).Bind(static_cast<int64_t>(block)).Bind(attempts).Run();
          !written.ok()) {
        return written;
      }
    }
    completed.insert(completed.end(), skipped.begin(), skipped.end());
    for (const auto* final : {&completed, &failed}) {
      if (Status merged =
              MergeChunks(job, task, final == &completed ? kCompletedChunk : kFailedChunk, *final);
          !merged.ok()) {
        return merged;
      }
    }
    auto has_attempts = db_.Prepare("SELECT block FROM attempts WHERE job = ? AND task = ?");
    if (!has_attempts.ok()) return has_attempts.error();
    std::vector<int64_t> open;
    has_attempts->Bind(number).Bind(task);
    while (true) {
      const auto row = has_attempts->Step();
      if (!row.ok()) return row.error();
      if (!*row) break;
      open.push_back(has_attempts->Int(0));
    }
    std::sort(completed.begin(), completed.end());
    std::sort(failed.begin(), failed.end());
    for (const int64_t block : open) {
      const auto index = static_cast<BlockIndex>(block);
      if (!std::binary_search(completed.begin(), completed.end(), index) &&
          !std::binary_search(failed.begin(), failed.end(), index)) {
        continue;
      }
      auto erase = db_.Prepare("DELETE FROM attempts WHERE job = ? AND task = ? AND block = ?");
      if (!erase.ok()) return erase.error();
      if (Status erased = erase->Bind(number).Bind(task).Bind(block).Run(); !erased.ok()) {
        return erased;
      }
    }
  }
  auto erase = db_.Prepare("DELETE FROM groups WHERE job = ?");
  if (!erase.ok()) return erase.error();
  return erase->Bind(number).Run();
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

/// All groups of a job together.
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
  guard_.Remember();  // also what a checkpoint that failed has done
  return moved;
}

}  // namespace bellis
