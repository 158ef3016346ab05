#pragma once

// Durable progress: a separate thread writes the scheduler's records in order, many in one commit.
// FORMAT.md describes the files.
//
//     owner                          journal thread
//     Append(records) -----------> waits 50 ms, or for enough records, or for CommitNow
//                                    one transaction, synced
//     Poll() <----- wake() ------- the number of durable records
//
// A commit that fails (on a full disk, say) is tried again every second; no record is dropped or
// overtakes another. Until the commit succeeds, Poll says what is wrong.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bellis/result.h"
#include "broker/core/record.h"
#include "broker/journal/store.h"
#include "common/time.h"

namespace bellis {

struct JournalOptions {
  std::string dir;
  Durability durability = Durability::kFull;
  Duration group = Duration::Millis(50);  // how long a commit waits for more records
  size_t group_records = 8192;            // or until it has this many; each block of a run counts
  std::function<void()> wake;             // called by the journal thread when Poll has news
};

class Journal {
 public:
  /// Locks the directory, opens or makes the database, and reads it into `*saved`. Errors: those of
  /// StateDir::Take and of Store::Open.
  static Result<std::unique_ptr<Journal>> Open(const JournalOptions& options, Saved* saved);
  /// Calls Close, and ignores its errors.
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  /// Queues records behind all others. Never waits for the disk. This and all other calls must come
  /// from the owner's thread.
  void Append(std::vector<Record>&& records);
  /// Has the queued records committed as soon as possible.
  void CommitNow();

  struct State {
    uint64_t committed = 0;  // how many of the appended records are durable
    std::string trouble;     // why the last commit failed; empty if it succeeded
  };
  State Poll() const;

  /// The progress of a job, including all records that were appended. Waits for the disk.
  Result<std::vector<TaskProgress>> Load(JobNumber job);

  /// Commits the queued records, and ends the thread. Error: how many records could not be written,
  /// and why.
  Status Close();

 private:
  struct Impl;
  explicit Journal(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace bellis
