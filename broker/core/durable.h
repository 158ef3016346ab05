#pragma once

// What must be on disk before something else may happen: the records that the store was given, the
// work that waits for them, and the ids that were set aside on disk in advance.
//
//     Persist(record)  -> Effects::records -> the store writes them -> Committed{n} -> Next()
//
// What is to be done when records are durable is data (AfterCommit). Durable keeps it in order and
// gives it back; it does none of it.

#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>

#include "broker/core/core_options.h"
#include "broker/core/event.h"
#include "broker/core/record.h"
#include "broker/core/turn.h"

namespace bellis {

/// A block is completed or skipped: it is released, and its worker is told that the result is kept.
struct BlockIsDurable {
  JobNumber job;
  TaskIndex task;
  BlockIndex block;
  WorkerId worker;
  uint64_t session;  // of the worker that handed it in
  LeaseId lease;
};
/// A block has failed for good.
struct FailureIsDurable {
  JobNumber job;
  TaskIndex task;
  BlockIndex block;
};
/// An attempt has failed: its worker is told that the result is kept.
struct AttemptIsDurable {
  WorkerId worker;
  uint64_t session;
  LeaseId lease;
};
/// A worker may be given blocks.
struct SessionIsDurable {
  WorkerId worker;
};
/// A client's request is answered.
struct AnswerIsDurable {
  PeerId to;
  Message message;
};
/// A hello is heard again.
struct HelloIsDurable {
  PeerId from;
  HelloMsg hello;
};
/// Ids below these may be given.
struct MarksAreDurable {
  Marks marks;
};

/// What is done when the records before it are durable.
using AfterCommit =
    std::variant<BlockIsDurable, FailureIsDurable, AttemptIsDurable, SessionIsDurable,
                 AnswerIsDurable, HelloIsDurable, MarksAreDurable>;

/// Owns the count of records, the queue of what waits for them, the hellos among that, and the ids
/// of leases and workers. Borrows the Turn, to say records and log lines.
///
/// Invariants: committed <= persisted; waiting entries are ordered by the records that they wait
/// for, and none waits for fewer than are committed. A broker that keeps its state gives no id that
/// is not below a durable mark. A broker that keeps none has everything durable at once.
class Durable {
 public:
  Durable(const CoreOptions& options, Turn* turn);

  /// Whether records are kept at all.
  bool kept() const { return kept_; }

  // ---- records ----

  void Persist(Record record) {
    if (!kept_) return;
    turn_.out().records.push_back(std::move(record));
    ++persisted_;
  }
  /// Whether everything that was persisted so far is durable: then nothing need wait.
  bool AllCommitted() const { return persisted_ == committed_; }
  /// `what` waits until all records so far are durable. Requires !AllCommitted().
  void Await(AfterCommit what);
  /// A hello of this peer waits, unless the peer is gone by then (ForgetHello).
  void HearLater(PeerId peer, const HelloMsg& hello);
  void ForgetHello(PeerId peer) { greeting_.erase(peer); }

  /// The store has made records durable. Call Next() until it has nothing more.
  void Commit(const Committed& committed);
  /// The next that has waited long enough, in the order of Await.
  std::optional<AfterCommit> Next();
  /// Whether what waits should be committed at once. Blocks are committed in groups, unless
  /// somebody starves, that is, has nothing to do until they are.
  bool CommitNow() const;

  // ---- ids ----

  bool HasLeaseIds() const;
  bool HasWorkerIds() const { return !kept_ || last_worker_ + 1 < marks_.worker; }
  LeaseId NextLease() { return LeaseId(++last_lease_); }
  WorkerId NextWorker() { return WorkerId(++last_worker_); }
  LeaseId last_lease() const { return LeaseId(last_lease_); }
  WorkerId last_worker() const { return WorkerId(last_worker_); }
  /// Has ids set aside on disk before those that are free run out.
  void SetIdsAside();
  /// MarksAreDurable was given back by Next().
  void Take(const MarksAreDurable& durable) { marks_ = durable.marks; }
  /// The broker stops: no more ids are given, and the next broker may go on with those after them.
  void CloseIds();

  // ---- an earlier broker, and trouble ----

  /// Ids go on after those of the broker before this one.
  void TakeOver(const Marks& marks);
  /// What was persisted so far is a promise to workers of the broker before this one.
  void PromiseAll() { promised_ = persisted_; }
  /// Whether all promises are durable. Before that, none of those workers is welcomed.
  bool PromisesKept() const { return committed_ >= promised_; }

  /// The store cannot write, or can again. True: it can again, so that tasks may go on.
  bool TakeTrouble(const StoreTrouble& trouble);
  bool in_trouble() const { return !problem_.empty(); }
  /// Why no block at all is handed out at the moment; empty when some may be.
  std::string NothingIsLeasedBecause() const;

  /// Checks the invariants.
  void CheckInvariants() const;

 private:
  // Fixed.
  const bool kept_;
  const uint64_t leases_aside_;
  const uint64_t workers_aside_;
  // Owned.
  uint64_t persisted_ = 0;                                // records
  uint64_t committed_ = 0;                                // of them
  uint64_t promised_ = 0;                                 // likewise
  std::deque<std::pair<uint64_t, AfterCommit>> waiting_;  // by how many records it waits for
  std::set<PeerId> greeting_;                             // whose hello is among them
  uint64_t last_lease_ = 0;
  uint64_t last_worker_ = 0;
  Marks marks_;        // durable
  Marks marks_asked_;  // persisted
  std::string problem_;
  // Borrowed.
  Turn& turn_;
};

}  // namespace bellis
