#pragma once

// The tables of FORMAT.md: records in, what they come to out. One thread at a time; every call is
// within the caller's transaction, so that a failure leaves the file as it was.

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
  kOs,    // survives the end of the broker, however it ends; not that of the machine
};

class Store {
 public:
  /// Opens `path`, makes the tables or checks every row, and the file `acknowledged` beside it.
  /// `dir`: the name that people know the directory by, which is to stay its name; or empty.
  /// Errors: a damaged file, one that lacks what was acknowledged, another format.
  static Result<Store> Open(const std::string& path, Durability durability,
                            const std::string& dir = "");

  /// Writes the records in one transaction, and notes outside the database that they are there.
  /// On failure, call it again with the same ones. Errors: the disk; the files were removed or
  /// replaced meanwhile.
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
  // A function for each record; one that none takes does not compile.
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
  uint64_t commits_ = 0;          // the last one's number
  bool batch_committed_ = false;  // what Write has, and could not note outside
  Marks marks_{0, 0};             // as far as committed
  std::unique_ptr<Codec> codec_ = std::make_unique<Codec>();
  std::map<JobNumber, Group> groups_;  // of the transaction that runs
  struct Done {
    int64_t blocks = 0;
    int64_t us = 0;
  };
  std::map<std::tuple<JobNumber, TaskIndex, std::string>, Done> languages_;  // likewise
  uint64_t group_bytes_ = 0;
  uint64_t chunk_bytes_ = 0;
};

}  // namespace bellis
