#pragma once

// Work that must wait for the disk: the records that the store was given, the work that waits for
// them, and the ids that were set aside on disk in advance.
//
//     Persist(record)  -> Effects::records -> the store writes them -> Committed{n} -> Next()
//
// The work is data (AfterCommit). Durable keeps it in order and returns it when its records are
// durable; the caller does it.

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>

#include "broker/core/core_options.h"
#include "broker/core/event.h"
#include "broker/core/record.h"
#include "broker/core/turn.h"
#include "broker/schedule/mutation.h"
#include "common/ring.h"

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
/// The same of all blocks of a run, which one worker had under consecutive leases.
struct RunIsDurable {
  JobNumber job;
  TaskIndex task;
  BlockRun run;
  WorkerId worker;
  uint64_t session;
  LeaseId lease;  // of the first
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
  std::unique_ptr<Message> message;
};
/// A hello that waited is handled again.
struct HelloIsDurable {
  PeerId from;
  std::unique_ptr<HelloMsg> hello;
};
/// Ids below these marks may be given.
struct MarksAreDurable {
  Marks marks;
};

/// The work to do when the records before it are durable.
using AfterCommit =
    std::variant<BlockIsDurable, RunIsDurable, FailureIsDurable, AttemptIsDurable, SessionIsDurable,
                 AnswerIsDurable, HelloIsDurable, MarksAreDurable>;

/// Owns the count of records, the queue of work that waits for them (hellos included), and the ids
/// of leases and workers. Borrows the Turn, for its records and log lines.
///
/// Invariants: committed <= persisted; waiting entries are ordered by the records that they wait
/// for, and none waits for fewer than are committed. A broker that keeps its state gives only ids
/// below a durable mark. For a broker that keeps none, everything is durable at once.
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
  /// Whether everything that was persisted so far is durable, so that nothing need wait.
  bool AllCommitted() const { return persisted_ == committed_; }
  /// `what` waits until all records so far are durable. Requires !AllCommitted().
  void Await(AfterCommit what);
  /// The peer's hello waits until all records so far are durable. If the peer is gone by then
  /// (ForgetHello), the hello is dropped.
  void HearLater(PeerId peer, const HelloMsg& hello);
  void ForgetHello(PeerId peer) { greeting_.erase(peer); }

  /// The store has made records durable. Call Next() until it has nothing more.
  void Commit(const Committed& committed);
  /// The next entry whose records are durable, in the order of Await; nullopt: none is.
  std::optional<AfterCommit> Next();
  /// Whether records should be committed at once. Ends of blocks are committed in groups, unless a
  /// worker starves, that is, has nothing to do until they are durable.
  bool CommitNow() const;

  // ---- ids ----

  bool HasLeaseIds() const { return LeaseIdsLeft() > 0; }
  bool HasWorkerIds() const { return !kept_ || last_worker_ + 1 < marks_.worker; }
  LeaseId NextLease() { return LeaseId(++last_lease_); }
  /// How many more leases may be given before more ids are on disk.
  uint64_t LeaseIdsLeft() const {
    if (!kept_ || Mutated(Mutation::kMarkIgnored)) return UINT64_MAX;
    return last_lease_ + 1 < marks_.lease ? marks_.lease - 1 - last_lease_ : 0;
  }
  /// The first of so many leases with consecutive ids.
  LeaseId NextLeases(uint64_t count) {
    last_lease_ += count;
    return LeaseId(last_lease_ - count + 1);
  }
  WorkerId NextWorker() { return WorkerId(++last_worker_); }
  LeaseId last_lease() const { return LeaseId(last_lease_); }
  WorkerId last_worker() const { return WorkerId(last_worker_); }
  /// Sets more ids aside on disk before the free ones run out.
  void SetIdsAside();
  /// MarksAreDurable was given back by Next().
  void Take(const MarksAreDurable& durable) { marks_ = durable.marks; }
  /// The broker stops: no more ids are given, and the next broker may go on with those after them.
  void CloseIds();

  // ---- an earlier broker, and trouble ----

  /// Ids continue after those of the earlier broker.
  void TakeOver(const Marks& marks);
  /// All records persisted so far are promises to workers of the earlier broker.
  void PromiseAll() { promised_ = persisted_; }
  /// Whether all promises are durable. None of those workers is welcomed before.
  bool PromisesKept() const { return committed_ >= promised_; }

  /// The store cannot write, or can write again. Returns true if it can again, so that tasks may go
  /// on.
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
  uint64_t persisted_ = 0;                          // records
  uint64_t committed_ = 0;                          // of them
  uint64_t promised_ = 0;                           // likewise
  Ring<std::pair<uint64_t, AfterCommit>> waiting_;  // first: how many records must be durable
  std::set<PeerId> greeting_;                       // whose hello is among them
  uint64_t last_lease_ = 0;
  uint64_t last_worker_ = 0;
  Marks marks_;        // durable
  Marks marks_asked_;  // persisted
  std::string problem_;
  // Borrowed.
  Turn& turn_;
};

}  // namespace bellis
