#pragma once

// The tables of FORMAT.md: writes records, and reads the state that they add up to. One thread at a
// time. Each call is one transaction, so a failure leaves the file as it was.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "broker/core/record.h"
#include "broker/journal/acknowledged.h"
#include "broker/journal/block_set.h"
#include "broker/journal/database.h"
#include "broker/journal/file_guard.h"
#include "broker/journal/row_sums.h"
#include "common/protocol/codec.h"

namespace bellis {

enum class Durability {
  kFull,  // survives a power cut: every commit is synced
  kOs,    // survives any end of the broker, but not a crash of the machine
};

class Store {
 public:
  /// Opens `path`, and makes the tables or checks every row, also against the file `acknowledged`
  /// beside it. `dir`: the directory's name, which must keep naming this directory; or empty.
  /// Errors: a damaged file, a file that lacks acknowledged commits, another format.
  static Result<Store> Open(const std::string& path, Durability durability,
                            const std::string& dir = "");

  /// Writes the records in one transaction, then acknowledges it in the file `acknowledged`. On
  /// failure, call this again with the same records. Errors: the disk; the files were removed or
  /// replaced meanwhile.
  Status Write(const std::vector<Record>& records);
  /// Merges groups into chunks in one transaction, and frees the space of the log.
  Status Compact();
  /// Whether the groups since the last compaction have many bytes, compared to all chunks.
  bool CompactionIsDue() const { return group_bytes_ > std::max(kGroupBytesMin, chunk_bytes_ / 4); }
  /// Reads everything except the progress of jobs.
  Result<Saved> ReadSaved();
  /// Reads a job's progress, one entry per task. Errors: a job that is not stored, damage.
  Result<std::vector<TaskProgress>> ReadProgress(JobNumber job);
  /// Moves the log into the database, so that one file holds everything.
  Status Checkpoint();

 private:
  static constexpr uint64_t kGroupBytesMin = 2 << 20;
  static constexpr uint64_t kFailuresKept = 100;

  Store(Database db, Acknowledged acknowledged, const std::string& path, Durability durability,
        const std::string& dir);
  Status MakeOrCheck();
  Status CheckPages();
  Result<int64_t> NumberOf(const std::string& sql);
  Status Begin();
  Status Check(int64_t format);
  Status ReadAll();
  Status TakeMarks();
  Status GoOnFrom(const Acknowledged::Entry& last);
  Status InTransaction(const std::function<Status()>& change);
  Status WriteHead(uint64_t commits);
  Status Acknowledge();
  Status WriteRecord(const Record& record);
  // One function for each kind of record; a kind without one does not compile.
  Status WriteOne(const Marks& marks);
  Status WriteOne(const JobBegun& begun);
  Status WriteOne(const JobReopened& reopened);
  Status WriteOne(const JobOver& over);
  Status WriteOne(const JobForgotten& forgotten);
  Status WriteOne(const BlockDone& done);
  Status WriteOne(const AttemptFailed& failed);
  Status WriteOne(const SessionBegun& begun);
  Status WriteOne(const SessionOver& over);
  /// Prepares `sql`, binds its values by `bind(query)`, and runs it.
  template <typename Bind>
  Status Run(const std::string& sql, const Bind& bind) {
    auto query = db_.Prepare(sql);
    if (!query.ok()) return query.error();
    bind(*query);
    return query->Run();
  }
  Status WriteGroups();
  Status WriteLanguages();
  Result<std::vector<std::vector<LanguageTotal>>> ReadLanguages(JobNumber job, size_t num_tasks);
  Status Upgrade();
  Status CompactJob(JobNumber job);
  Status CompactTask(JobNumber job, TaskIndex task, Group::Task* sets);
  Status ForgetAttempts(JobNumber job, TaskIndex task, const std::vector<BlockIndex>& completed,
                        const std::vector<BlockIndex>& failed);
  Status MergeChunks(JobNumber job, TaskIndex task, int kind,
                     const std::vector<BlockIndex>& blocks);
  Result<std::map<TaskIndex, Group::Task>> ReadGroups(JobNumber job);
  Status CountBytes();

  RowSums row_sums_;  // the database calls it
  Database db_;
  Acknowledged acknowledged_;
  Durability durability_;
  std::string path_;
  FileGuard guard_;
  std::string name_;              // of the database, random
  uint64_t commits_ = 0;          // number of the last commit
  bool batch_committed_ = false;  // Write has committed its batch, but not acknowledged it
  Marks marks_{0, 0};             // as committed
  std::unique_ptr<Codec> codec_ = std::make_unique<Codec>();
  std::map<JobNumber, Group> groups_;  // of the running transaction
  struct Done {
    int64_t blocks = 0;
    int64_t us = 0;
  };
  std::map<std::tuple<JobNumber, TaskIndex, std::string>, Done> languages_;  // likewise
  uint64_t group_bytes_ = 0;
  uint64_t chunk_bytes_ = 0;
};

}  // namespace bellis
