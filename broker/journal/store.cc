#include "broker/journal/store.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace bellis {
namespace {

using Json = nlohmann::json;

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

/// Valid JSON text, even if a worker has sent invalid UTF-8.
std::string Dump(const Json& tree) {
  return tree.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

Status Store::Write(const std::vector<Record>& records) {
  // A batch that was committed, but could not be acknowledged, is not written twice.
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
  const bool grouped =
      std::holds_alternative<BlockDone>(record) || std::holds_alternative<AttemptFailed>(record);
  // Only ends of blocks are collected. Any other record must find the earlier ones in the tables.
  if (!grouped) {
    if (Status written = WriteGroups(); !written.ok()) return written;
  }
  return std::visit([this](const auto& one) { return WriteOne(one); }, record);
}

/// The block stays in memory until WriteGroups.
Status Store::WriteOne(const BlockDone& done) {
  const auto kind = done.skipped ? Group::kSkipped : Group::kCompleted;
  std::vector<BlockIndex>& blocks = groups_[done.job].tasks[done.task].blocks[kind];
  for (uint32_t i = 0; i < done.count; ++i) blocks.push_back(done.block + i);
  if (!done.language.empty()) {
    Done& all = languages_[{done.job, done.task, done.language}];
    all.blocks += done.count;
    all.us += static_cast<int64_t>(done.us);
  }
  return OkStatus();
}

/// The block's attempt stays in memory until WriteGroups.
Status Store::WriteOne(const AttemptFailed& failed) {
  const FailureRecord& f = failed.failure;
  Group::Task& group = groups_[failed.job].tasks[failed.task];
  if (failed.final) {
    group.blocks[Group::kFailed].push_back(f.index);
  } else {
    group.attempts.emplace_back(f.index, f.attempt);
  }
  const auto job = static_cast<int64_t>(failed.job.value);
  Status counted = Run(
      "INSERT INTO tasks VALUES(?1, ?2, 0, 1) ON CONFLICT DO UPDATE SET failures = failures + 1",
      [&](auto& query) { query.Bind(job).Bind(failed.task); });
  if (!counted.ok()) return counted;
  return Run(fmt::format("INSERT OR IGNORE INTO failures SELECT ?1, ?2, t.failures, ?3, ?4, ?5, "
                         "?6, ?7 FROM tasks t WHERE t.job = ?1 AND t.task = ?2 AND t.failures "
                         "<= {}",
                         kFailuresKept),
             [&](auto& query) {
               query.Bind(job)
                   .Bind(failed.task)
                   .Bind(static_cast<int64_t>(f.index))
                   .Bind(f.block)
                   .Bind(f.attempt)
                   .Bind(static_cast<int64_t>(f.worker.value))
                   .BindText(f.error);
             });
}

Status Store::WriteOne(const Marks& marks) {
  return Run("INSERT OR REPLACE INTO marks VALUES(1, ?, ?)", [&](auto& query) {
    query.Bind(static_cast<int64_t>(marks.lease)).Bind(static_cast<int64_t>(marks.worker));
  });
}

Status Store::WriteOne(const JobBegun& begun) {
  const auto spec = codec_->Encode(SubmitMsg{0, begun.spec});
  return Run(
      "INSERT INTO jobs VALUES(?1, ?2, 'running', '', '[]', ?3) ON CONFLICT DO UPDATE SET "
      "spec = ?3",
      [&](auto& query) {
        query.Bind(static_cast<int64_t>(begun.job.value))
            .BindText(begun.id)
            .BindBlob({spec.data(), spec.size()});
      });
}

Status Store::WriteOne(const JobOver& over) {
  return Run("UPDATE jobs SET state = ?, reason = ?, counts = ? WHERE number = ?",
             [&](auto& query) {
               query.BindText(JobStateName(over.state))
                   .BindText(over.reason)
                   .BindText(Dump(ToJson(over.counts)))
                   .Bind(static_cast<int64_t>(over.job.value));
             });
}

/// Removes failures and attempts, but keeps completed blocks.
Status Store::WriteOne(const JobReopened& reopened) {
  if (Status merged = CompactJob(reopened.job); !merged.ok()) return merged;
  const std::string number = std::to_string(reopened.job.value);
  return db_.Execute(
      "UPDATE jobs SET state = 'running', reason = '', counts = '[]' WHERE number = " + number +
      "; DELETE FROM chunks WHERE kind = 1 AND job = " + number +
      "; DELETE FROM attempts WHERE job = " + number + "; DELETE FROM failures WHERE job = " +
      number + "; UPDATE tasks SET failures = 0 WHERE job = " + number);
}

Status Store::WriteOne(const JobForgotten& forgotten) {
  const std::string number = std::to_string(forgotten.job.value);
  return db_.Execute("DELETE FROM jobs WHERE number = " + number +
                     "; DELETE FROM groups WHERE job = " + number +
                     "; DELETE FROM chunks WHERE job = " + number +
                     "; DELETE FROM attempts WHERE job = " + number +
                     "; DELETE FROM failures WHERE job = " + number +
                     "; DELETE FROM languages WHERE job = " + number +
                     "; DELETE FROM tasks WHERE job = " + number);
}

Status Store::WriteOne(const SessionBegun& begun) {
  return Run("INSERT OR REPLACE INTO sessions VALUES(?, ?)", [&](auto& query) {
    query.Bind(static_cast<int64_t>(begun.session.worker.value))
        .BindText(Dump(ToJson(begun.session)));
  });
}

Status Store::WriteOne(const SessionOver& over) {
  return Run("DELETE FROM sessions WHERE worker = ?",
             [&](auto& query) { query.Bind(static_cast<int64_t>(over.worker.value)); });
}

/// Writes one row per job for all blocks in memory.
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

/// Writes one row per task and language, however many blocks were done.
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

}  // namespace bellis
