#pragma once

// Deliberate bugs, to verify that the tests catch them: `make mutations` builds with
// BELLIS_MUTATIONS, switches them on one at a time (BELLIS_MUTATION=name in the environment), and
// prints which test failed. In every other build Mutated() is false at compile time, so none of
// this code remains.

#include <cstdint>

namespace bellis {

// A line for each bug: its name in BELLIS_MUTATION, and what is wrong.
#define BELLIS_MUTATION_LIST(X)                                                                  \
  X(kStrideOffByOne, "stride-off-by-one", "conflict levels: a stride one too small")             \
  X(kIdOffsetForgotten, "id-offset-forgotten", "block ids count from the write ROI")             \
  X(kShrinkForgotten, "shrink-forgotten", "readers beyond the total ROI count where fit=shrink") \
  X(kDependencySkipped, "dependency-skipped",                                                    \
    "the last neighbour of the level before is not asked")                                       \
  X(kBoxOneShort, "box-one-short", "an upstream box without its last block")                     \
  X(kChainForgotten, "chain-forgotten", "watchers of a block are not woken")                     \
  X(kRootsOneShort, "roots-one-short", "a release of roots leaves out its last row")             \
  X(kOrphansStop, "orphans-stop", "blocks that depend on an orphan are kept")                    \
  X(kOrderByIndex, "order-by-index", "blocks readied together by index, not by id")              \
  X(kDeepestIsFifo, "deepest-is-fifo", "the level of a ready block is ignored")                  \
  X(kMaskRoundsDown, "mask-rounds-down", "a block that only touches a voxel's start is masked")  \
  X(kDirectIgnored, "direct-ignored", "beside masked blocks the levels are trusted")             \
  X(kSweepForgets, "sweep-forgets", "a block that waits for a masked one first has no watch")    \
  X(kDeadKeepsWaiting, "dead-keeps-waiting",                                                     \
    "a failed block does not release blocks that only conflicted with it")                       \
  X(kAsideForgotten, "aside-forgotten", "exclusive: blocks that stood aside do not return")      \
  X(kExclusiveOneWay, "exclusive-one-way", "exclusive: only blocks that write where it reads")   \
  X(kSearchStops, "search-stops", "a search that used up its budget is not continued")           \
  X(kStaleLease, "stale-lease", "a release after a timeout counts")                              \
  X(kRetryLost, "retry-lost", "a failed attempt is not retried")                                 \
  X(kRetryToAnybody, "retry-to-anybody", "a retry goes to the worker that failed it")            \
  X(kOneTryMore, "one-try-more", "one attempt more than max_retries permits")                    \
  X(kLeaseIdAgain, "lease-id-again", "every other lease repeats the id of the previous one")     \
  X(kUndeliveredKept, "undelivered-kept", "blocks of an undeliverable message stay leased")      \
  X(kTimeoutOnce, "timeout-once", "a worker's next block has no timeout")                        \
  X(kFreedTooEarly, "freed-too-early", "a timed-out block is free before its process is gone")   \
  X(kRetiredReplaced, "retired-replaced", "a worker that exited with 0 is replaced")             \
  X(kLeaveKeepsWants, "leave-keeps-wants", "a worker that was told to leave still gets blocks")  \
  X(kForeignExit, "foreign-exit", "any launcher may report any worker's exit")                   \
  X(kEndNotTold, "end-not-told", "a watcher is not told that its job has ended")                 \
  X(kNoMeansYes, "no-means-yes", "a check that says no skips the block")                         \
  X(kUnconfirmed, "unconfirmed", "a block counts as completed without its post_check")           \
  X(kCommitIgnored, "commit-ignored",                                                            \
    "blocks that wait for a block are leased before it is durable")                              \
  X(kMarkIgnored, "mark-ignored", "lease ids are used before they are set aside on disk")        \
  X(kLeaseIdsRestart, "lease-ids-restart", "lease ids start again with the broker")              \
  X(kSessionsForgotten, "sessions-forgotten", "after a restart the broker waits for no worker")  \
  X(kLeaseForEver, "lease-for-ever", "a lease does not end when pings stop")                     \
  X(kLeaseTooShort, "lease-too-short", "a lease ends before its worker has stopped")             \
  X(kFailureEarly, "failure-early",                                                              \
    "blocks that a failed block held up are leased before the failure is durable")               \
  X(kLateHello, "late-hello", "a hello counts even after a later one")                           \
  X(kLeaseForgotten, "lease-forgotten", "a restarted broker forgets how long leases were")       \
  X(kDoneForgotten, "done-forgotten", "a completed block is not persisted")                      \
  X(kLauncherWaitKept, "launcher-wait-kept", "a wait for a launcher counts when none is needed") \
  X(kReplacedComesBack, "replaced-comes-back",                                                   \
    "a hello of a process that was replaced takes its worker back")                              \
  X(kFirstIsBlamed, "first-is-blamed", "a lost worker died of the first block that it held")     \
  X(kSilentGivenUp, "silent-given-up",                                                           \
    "a restarted broker waits only a while for workers without heartbeats")                      \
  X(kRunTooLong, "run-too-long", "a worker is told of one block too many in a run")              \
  X(kRunLease, "run-lease", "the first lease of a run is told one too high")                     \
  X(kRunRecordShort, "run-record-short", "the record of a run lacks its last block")             \
  X(kLastIdleLeaves, "last-idle-leaves", "release_idle lets the last but one worker go, too")

enum class Mutation : uint8_t {
  kNone,
#define BELLIS_MUTATION_NAME(name, word, words) name,
  BELLIS_MUTATION_LIST(BELLIS_MUTATION_NAME)
#undef BELLIS_MUTATION_NAME
};

#ifdef BELLIS_MUTATIONS
/// The bug that is switched on.
Mutation ActiveMutation();
inline bool Mutated(Mutation mutation) { return ActiveMutation() == mutation; }
#else
constexpr bool Mutated(Mutation) { return false; }
#endif

}  // namespace bellis
