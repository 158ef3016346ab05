#pragma once

// A worker that outlives its broker: it says hello again with the same session, keeps results until
// they are on disk, and ends itself before its leases do (WORKERS.md "Connections break", "Leases
// end"). A silent worker has no heartbeats and one thread: while it computes, which may take long,
// it neither reads nor sends messages, and its leases do not end.

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "common/task/block_tiling.h"
#include "tests/sim/surroundings.h"

namespace bellis::sim {

class LastingWorker : public Actor {
 public:
  /// Hears what happens to blocks. `by` names the worker's process.
  struct Witness {
    std::function<void(uint64_t by, const LeasedBlock& block)> begin;
    std::function<void(uint64_t by, bool completed)> end;  // its block runs no more, for good
    std::function<void(const LeasedBlock& block)> committed;
  };

  LastingWorker(Surroundings* around, HelloMsg hello, bool silent, Witness witness);

  Dealer& dealer() { return dealer_; }
  const std::string& task() const { return hello_.task; }
  uint64_t key() const { return hello_.session; }
  WorkerId id() const { return hello_.worker; }
  bool silent() const { return silent_; }
  /// Whether the worker computes a block. A stopped worker whose lease is over does not: it will
  /// never go on.
  bool running() const { return alive() && current_ && (!frozen_ || now() < Deadline()); }
  /// Dies without a word. Messages that are already on their way may arrive.
  void Crash(bool seen);
  /// Says hello once more, for no reason.
  void Repeat();
  /// Stops the process, as by SIGSTOP. If its lease is over when it goes on, it ends itself.
  void Freeze(Duration how_long);

 private:
  struct Result {
    LeasedBlock block;
    BlockResult result;
  };
  Instant Deadline() const;
  /// Whether the worker cannot read the messages that have come.
  bool deaf() const { return frozen_ || (silent_ && current_); }
  void ReadOn();
  void SayHello();
  void Beat();
  void CheckFence();
  void OnMessage(const Message& message);
  void Read(const Message& message);
  void Welcomed(const WelcomeMsg& welcome);
  void Ask();
  void StartNext();
  void Finish(uint64_t run);
  void HandIn(const Result& result, uint32_t want);
  void Committed(LeaseId lease, bool dropped);
  void Die(bool bye, const std::string& why);

  HelloMsg hello_;
  Witness witness_;
  Dealer dealer_;
  const bool silent_;
  bool welcome_ = false;
  bool durable_ = false;
  bool draining_ = false;
  bool frozen_ = false;
  double fails_ = 0;
  uint32_t prefetch_ = 0;
  uint32_t wanted_ = 0;
  uint64_t run_ = 0;                       // the run of a block; the ends of earlier runs are stale
  Instant hello_sent_ = Instant::Never();  // the earliest hello that is not answered
  Instant hello_said_;
  Duration lease_;                     // as the last welcome said
  Instant until_;                      // the end of the leases, by the pings that were answered
  std::map<uint64_t, Instant> pings_;  // by nonce: the end of the leases if that ping is answered
  uint64_t last_ping_ = 0;
  std::optional<LeasedBlock> current_;
  std::deque<LeasedBlock> stock_;
  std::optional<BlockTiling> tiling_;  // set: runs come
  std::vector<LeaseRun> done_;         // completed, and not handed in: with the next result
  std::vector<Result> unstored_;
  std::deque<Message> unread_;  // while deaf
};

}  // namespace bellis::sim
