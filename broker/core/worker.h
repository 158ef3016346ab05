#pragma once

// One worker that the broker knows, connected or not, and the leases that it holds. The Roster
// moves it from state to state (see the picture in roster.h).

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "broker/core/budget.h"
#include "broker/core/record.h"
#include "broker/schedule/dependency_graph.h"
#include "common/ids.h"
#include "common/protocol/messages.h"
#include "common/ring.h"
#include "common/time.h"

namespace bellis {

struct Job;

/// One hand-out of a block, to be worked on or to be checked. A worker works on the first of its
/// leases only.
struct Lease {
  LeaseId id;
  BlockIndex block = 0;
  uint32_t attempt = 1;
  Instant start;  // when the worker could start on it; valid for the first lease only
};

/// How many connections of a place wait for a block, hold one, or hold one while not connected.
struct Use {
  uint32_t wait = 0;
  uint32_t hold = 0;
  uint32_t hold_away = 0;

  bool engaged() const { return wait + hold > 0; }
  bool idle() const { return wait > 0 && hold + hold_away == 0; }
};

/// Whether the process of a worker is connected (see the picture in roster.h).
enum class Presence : uint8_t {
  kVacant,    // no process has the number; the next hello that names it gets it
  kExpected,  // launched; its hello has not come yet
  kPresent,   // connected
  kAway,      // it has lost its connection, and may come back with what it holds
};

/// Whether a worker is to go.
enum class Leaving : uint8_t {
  kNo,
  kWhenDone,  // it gets no more blocks
  kInTime,    // the same, and its process is stopped if it stays for too long
};

/// What the end of a launched worker's process will count as.
enum class EndCounts : uint8_t {
  kByItself,   // a crash, or retirement (exit code 0): the broker did not ask for it
  kReplaced,   // the broker asked for it, and another comes in its place
  kDismissed,  // the broker asked for it, and its place stays free
  kUnheard,    // a crash, too: it was stopped because it said no hello
};

/// Whether the store has a worker's session.
enum class OnRecord : uint8_t {
  kNo,
  kWritten,  // written, but not durable; or the record says that nobody is there
  kDurable,  // the worker may be given blocks
};

struct Worker {
  // ---- who it is ----

  WorkerId id;
  Job* job = nullptr;  // borrowed; outlives the worker
  TaskIndex task = 0;
  Duty duty = Duty::kWork;
  std::string language;
  size_t language_slot = 0;    // in its task's statistics
  uint32_t slot = 0;           // in its pool, from 0; the worker that replaces it has the same
  bool numbered_here = false;  // the broker gave the number in its welcome, not in a `launch`
                               // message

  // ---- its state: changed by the Roster alone ----

  Presence presence = Presence::kVacant;
  Leaving leaving = Leaving::kNo;
  PeerId peer;              // its connection, while it is present
  Instant vacant_since;     // meaningful while kVacant
  bool recovering = false;  // an earlier broker or run knew it; it has not said yet what it holds
  OnRecord on_record = OnRecord::kNo;

  // ---- its launcher: none for an external worker ----

  LauncherId launcher;
  size_t group = 0;          // of its task's [[tasks.workers]]
  Budget::Share resources;   // that its process takes
  int64_t launched_pid = 0;  // as its launcher says; 0: unknown
  bool reported = false;     // its launcher has said that it runs
  bool stop_asked = false;   // its launcher was told to stop it
  EndCounts end_counts = EndCounts::kByItself;
  bool orphaned = false;      // its launcher was lost
  bool left_holding = false;  // said bye while it held a block
  std::string loss_reason;    // the error for its blocks when it is being stopped; else empty
  Instant gone_since = Instant::Never();  // its process is gone, though no launcher has reported an
                                          // exit

  // ---- connections: only the starter counts as a worker ----

  WorkerId starter;            // of a further connection: the launched worker that it belongs to
  std::set<WorkerId> further;  // of a launched worker, in the table
  Instant away_since;          // of a worker without a session that may come back

  // ---- its process, and how long its leases last ----

  uint64_t session = 0;   // chosen by the process; 0: it cannot come back
  uint64_t greeting = 0;  // the highest of its hellos
  // Sessions of the last few processes under this id that were superseded.
  std::vector<uint64_t> superseded;
  uint32_t heartbeat_ms = 0;  // 0: its leases do not end by themselves
  bool runs = false;          // it is given runs of blocks
  uint32_t lease_ms = 0;      // the longest that any broker told it
  ProcessRef process;
  Instant lease_until = Instant::Never();
  Instant heard;  // its last ping or hello

  // ---- its requests for blocks, and its leases ----

  uint32_t want = 0;
  Instant parked_since;
  bool parked = false;  // is in its task's queue of waiting requests
  bool asked = false;   // of a place: it has asked for a block since it connected, or brought
                        // some
  Use use;              // of this connection, as last noted (Roster::NoteUse)
  Use use_of_all;       // of a place: of its connections together
  Ring<Lease> held;     // in the order of hand-out
  Instant block_deadline = Instant::Never();
  // The worker's failed attempts since it last completed a block, all its failed attempts, and all
  // its attempts, completed or failed.
  uint32_t failures_in_a_row = 0;
  uint64_t failures = 0;
  uint64_t tries = 0;

  // Which timers of the worker are set.
  struct {
    bool lease = false;
    bool probe = false;
    bool block_timeout = false;
  } timer_set;

  // Where the current Step's effects have its `work` and `committed` messages.
  uint64_t work_step = 0;
  size_t work_slot = 0;
  uint64_t committed_step = 0;
  size_t committed_slot = 0;

  bool launched() const { return launcher.set(); }
  bool is_further() const { return starter.set(); }
  bool expected() const { return presence == Presence::kExpected; }
  /// No process has the number: not yet, or not any more.
  bool vacant() const { return presence == Presence::kVacant || expected(); }
  bool is_leaving() const { return leaving != Leaving::kNo; }
  /// Whether it may be given blocks.
  bool live() const { return presence == Presence::kPresent && !is_leaving(); }
  bool may_have_blocks() const { return on_record == OnRecord::kDurable; }
};

}  // namespace bellis
