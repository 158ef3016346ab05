#include "broker/core/durable.h"

#include <utility>

#include "broker/schedule/mutation.h"
#include "common/check.h"

namespace bellis {
namespace {

/// When more entries than this wait for the disk, no block is handed out.
constexpr size_t kWaitingMax = 1 << 20;

}  // namespace

Durable::Durable(const CoreOptions& options, Turn* turn)
    : kept_(options.durable),
      leases_aside_(options.leases_aside),
      workers_aside_(options.workers_aside),
      turn_(*turn) {}

void Durable::Await(AfterCommit what) {
  BELLIS_CHECK(!AllCommitted(), "only records that are not durable yet are waited for");
  waiting_.push_back({persisted_, std::move(what)});
}

void Durable::HearLater(PeerId peer, const HelloMsg& hello) {
  greeting_.insert(peer);
  Await(HelloIsDurable{peer, std::make_unique<HelloMsg>(hello)});
}

void Durable::Commit(const Committed& committed) {
  BELLIS_CHECK(committed.records >= committed_ && committed.records <= persisted_,
               "the store commits what it was given, once");
  committed_ = committed.records;
}

std::optional<AfterCommit> Durable::Next() {
  while (!waiting_.empty() && waiting_.front().first <= committed_) {
    AfterCommit what = std::move(waiting_.front().second);
    waiting_.pop_front();
    const auto* hello = std::get_if<HelloIsDurable>(&what);
    if (hello != nullptr && greeting_.erase(hello->from) == 0) continue;  // the peer is gone
    return what;
  }
  return std::nullopt;
}

bool Durable::CommitNow() const {
  if (waiting_.empty()) return false;
  const AfterCommit& last = waiting_.back().second;
  return turn_.starving() || std::holds_alternative<AnswerIsDurable>(last) ||
         std::holds_alternative<SessionIsDurable>(last) ||
         std::holds_alternative<MarksAreDurable>(last);
}

void Durable::SetIdsAside() {
  if (!kept_) return;
  const bool leases = last_lease_ + leases_aside_ / 2 >= marks_asked_.lease;
  const bool workers = last_worker_ + workers_aside_ / 2 >= marks_asked_.worker;
  if (!leases && !workers) return;
  marks_asked_ = {last_lease_ + leases_aside_, last_worker_ + workers_aside_};
  Persist(marks_asked_);
  Await(MarksAreDurable{marks_asked_});
}

void Durable::CloseIds() {
  marks_asked_ = {last_lease_ + 1, last_worker_ + 1};
  Persist(marks_asked_);
}

void Durable::TakeOver(const Marks& marks) {
  last_lease_ = Mutated(Mutation::kLeaseIdsRestart) ? 0 : marks.lease - 1;
  last_worker_ = marks.worker - 1;
  marks_ = marks_asked_ = marks;
}

bool Durable::TakeTrouble(const StoreTrouble& trouble) {
  const bool over = trouble.problem.empty() && in_trouble();
  if (over) {
    turn_.Log(LogLevel::kInfo, "the state directory can be written again");
  } else if (!trouble.problem.empty() && !in_trouble()) {
    turn_.Log(
        LogLevel::kError,
        "no block is handed out until the state directory can be written: " + trouble.problem);
  }
  problem_ = trouble.problem;
  return over;
}

std::string Durable::NothingIsLeasedBecause() const {
  if (in_trouble()) return "the state directory: " + problem_;
  if (waiting_.size() >= kWaitingMax) return "the disk does not keep up";
  if (!HasLeaseIds()) return "the next lease ids are not on disk yet";
  return "";
}

void Durable::CheckInvariants() const {
  BELLIS_CHECK(committed_ <= persisted_, "no more is durable than was persisted");
  BELLIS_CHECK(promised_ <= persisted_, "promises are records");
  uint64_t before = committed_;
  for (const auto& [records, what] : waiting_) {
    BELLIS_CHECK(records >= before, "waiting entries are in the order of records");
    BELLIS_CHECK(records > committed_, "no entry waits for a durable record");
    before = records;
  }
  BELLIS_CHECK(greeting_.size() <= waiting_.size(), "each hello that waits is in the queue");
}

}  // namespace bellis
