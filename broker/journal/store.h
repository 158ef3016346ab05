#pragma once

// The tables of FORMAT.md: records in, what they come to out. One thread at a time; every call is
// within the caller's transaction, so that a failure leaves the file as it was.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "broker/core/record.h"
#include "broker/journal/block_set.h"
#include "broker/journal/database.h"
#include "common/protocol/codec.h"

namespace bellis {

enum class Durability {
  kFull,  // survives a power cut: every commit is synced
  kOs,    // survives the end of the broker, however it ends; not that of the machine
};

class Store {
 public:
  /// Opens `path`, makes the tables or checks them. Errors: a damaged file, another format.
  static Result<Store> Open(const std::string& path, Durability durability);

  /// Writes the records in one transaction. On failure none of them is written.
  Status Write(const std::vector<Record>& records);
  /// Merges groups into chunks, in one transaction, and gives the space of the log back.
  Status Compact();
  /// Bytes of groups since the last compaction, against those of all chunks.
  bool CompactionIsDue() const { return group_bytes_ > std::max(kGroupBytesMin, chunk_bytes_ / 4); }
  /// Everything but the progress of jobs.
  Result<Saved> ReadSaved();
  /// One entry a task. Errors: a job that is not stored, damage.
  Result<std::vector<TaskProgress>> ReadProgress(JobNumber job);
  /// Moves the log into the database, so that one file holds everything.
  Status Checkpoint();

 private:
  static constexpr uint64_t kGroupBytesMin = 2 << 20;
  static constexpr uint64_t kFailuresKept = 100;

  explicit Store(Database db) : db_(std::move(db)) {}
  Status MakeTables();
  Status WriteRecord(const Record& record);
  Status WriteGroups();
  Status Reopen(JobNumber job);
  Status Forget(JobNumber job);
  Status CompactJob(JobNumber job);
  Status MergeChunks(JobNumber job, TaskIndex task, int kind,
                     const std::vector<BlockIndex>& blocks);
  Result<std::map<TaskIndex, Group::Task>> ReadGroups(JobNumber job);
  Status CountBytes();

  Database db_;
  std::unique_ptr<Codec> codec_ = std::make_unique<Codec>();
  std::map<JobNumber, Group> groups_;  // of the transaction that runs
  uint64_t group_bytes_ = 0;
  uint64_t chunk_bytes_ = 0;
};

}  // namespace bellis
