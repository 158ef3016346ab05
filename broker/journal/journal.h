#pragma once

// Durable progress: the scheduler's records, written in order by a thread of its own, many in one
// commit. FORMAT.md says what is on disk.
//
//     owner                          journal thread
//     Append(records) ----------->   waits 50 ms, or until enough are there, or CommitNow
//                                    one transaction, synced
//     Poll() <----- wake() -------   so many records are durable
//
// A commit that fails (a full disk, say) is kept and tried again every second; nothing is dropped
// or overtaken. Until it succeeds, Poll says what is wrong.

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
  Duration group = Duration::Millis(50);  // how long a commit waits for more
  size_t group_records = 8192;            // or until this many are there
  std::function<void()> wake;             // called by the journal thread when Poll has news
};

class Journal {
 public:
  /// Locks the directory, opens or makes the database and reads what is in it. Errors: those of
  /// StateDir::Take and of Store::Open.
  static Result<std::unique_ptr<Journal>> Open(const JournalOptions& options, Saved* saved);
  /// As Close, whatever comes of it.
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  /// Queues records behind all others. Never waits for the disk. Owner's thread, like all of these.
  void Append(std::vector<Record> records);
  /// Commits what is queued as soon as it can.
  void CommitNow();

  struct State {
    uint64_t committed = 0;  // records, of all that were appended
    std::string trouble;     // why the last commit failed; empty when it did not
  };
  State Poll() const;

  /// What is known of a job, all that was appended included. Waits for the disk.
  Result<std::vector<TaskProgress>> Load(JobNumber job);

  /// Commits what is queued, and ends the thread. What could not be written is in the error.
  Status Close();

 private:
  struct Impl;
  explicit Journal(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace bellis
