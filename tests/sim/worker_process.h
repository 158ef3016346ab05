#pragma once

// A worker process: says hello, takes blocks, and handles them as its character says. It works on
// one block at a time and reads its messages in between, as user code in one thread does. A process
// that was ended computes no more; a process that only lost its connection goes on. A checker gives
// answers instead of working. Some take runs of blocks, and hand in several results at a time.

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/task/block_tiling.h"
#include "tests/sim/surroundings.h"

namespace bellis::sim {

/// Probabilities are per block.
struct Character {
  Duration block_min = Duration::Millis(1);
  Duration block_max = Duration::Millis(500);
  Duration start_max = Duration::Millis(500);  // from start to hello
  uint32_t prefetch = 0;
  double fails = 0;
  double crashes = 0;    // while it holds the block
  double hangs = 0;      // never does anything again
  double quits = 0;      // exits with code 0, of its own accord
  double returns = 0;    // hands a block back unstarted
  double lies = 0;       // sends a message that it should not
  double stillborn = 0;  // ends before it says hello (once, not per block)
  double mute = 0;       // never says hello, and never ends (also once)

  /// Fast and flawless.
  static Character Honest(Random& random);
  /// May do anything.
  static Character Wild(Random& random);
};

class WorkerProcess : public Actor {
 public:
  /// Called with the process's end as a launcher sees it: exit code or signal.
  using OnExit = std::function<void(int exit_code, int signal)>;
  /// `hello` names job, task and, for a launched worker, its id.
  WorkerProcess(Surroundings* around, HelloMsg hello, Character character, OnExit on_exit);

  /// Ends at once. No bye.
  void Kill(int signal);
  Dealer& dealer() { return dealer_; }
  /// None before the first welcome of an external worker.
  WorkerId id() const { return hello_.worker; }
  /// The block that the worker works on, as it notes it for its launcher.
  WorkingOn working() const { return {hello_.worker, working_}; }
  bool greeted() const { return greeting_ > 0; }
  bool hanging() const { return hanging_; }
  void Reform() { character_ = Character::Honest(random()); }

 private:
  void SayHello();
  void OnMessage(const Message& message);
  void Read(const Message& message);
  void ReadError(const ErrorMsg& error);
  void Ask();
  void StartNext();
  void Finish(LeasedBlock block, uint64_t greeting);
  BlockResult ResultOf(const LeasedBlock& block);
  bool OutputIsThere(const LeasedBlock& block) const;
  void Release(BlockResult result);
  void Welcomed(const WelcomeMsg& welcome);
  void Lie();
  void LieAboutLeases();
  void LieAboutOtherThings();
  void KeepAlive();
  void Exit(int code);

  HelloMsg hello_;
  const bool numbered_by_launcher_;
  Duty duty_ = Duty::kWork;  // as the broker says
  Character character_;
  OnExit on_exit_;
  Dealer dealer_;
  bool welcome_ = false;
  bool busy_ = false;
  bool hanging_ = false;
  bool draining_ = false;
  Instant hello_said_;
  uint64_t greeting_ = 0;
  uint32_t wanted_ = 0;
  LeaseId working_;
  std::deque<LeasedBlock> stock_;
  std::optional<BlockTiling> tiling_;  // set: runs come
  std::vector<LeaseRun> done_;         // completed, and not handed in: with the next result
  std::deque<Message> unread_;
  std::vector<LeaseId> past_leases_;
};

}  // namespace bellis::sim
