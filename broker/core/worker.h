#pragma once

// One worker that the broker knows, connected or about to be, and what it holds. Its life is moved
// on by the Roster (roster.h), which draws it.

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "broker/core/budget.h"
#include "broker/core/record.h"
#include "broker/schedule/dependency_graph.h"
#include "common/ids.h"
#include "common/protocol/messages.h"
#include "common/time.h"

namespace bellis {

struct Job;

/// One hand-out of a block, to be worked on or to be checked. Only the first of a worker's leases
/// is being worked on.
struct Lease {
  LeaseId id;
  BlockIndex block = 0;
  uint32_t attempt = 1;
  Instant start;  // when the worker could start on it; meaningful for the first one held
};

/// How many connections wait for a block, hold one, or hold one while they are not connected.
struct Use {
  uint32_t wait = 0;
  uint32_t hold = 0;
  uint32_t hold_away = 0;

  bool engaged() const { return wait + hold > 0; }
  bool idle() const { return wait > 0 && hold + hold_away == 0; }
};

/// Where the process behind a worker's number is (drawn in roster.h).
enum class Presence : uint8_t {
  kVacant,    // nobody is behind the number; the next hello that names it has it
  kExpected,  // launched: its hello is waited for
  kPresent,   // connected
  kAway,      // it has lost its connection, and may come back with what it holds
};

/// Whether a worker is to go.
enum class Leaving : uint8_t {
  kNo,
  kWhenDone,  // it gets no more blocks
  kInTime,    // nor that: its process is stopped when it stays for too long
};

/// What the end of a launched worker's process will count as.
enum class EndCounts : uint8_t {
  kByItself,   // a crash, or retirement: nobody asked for it
  kReplaced,   // the broker asked for it, and another comes in its place
  kDismissed,  // the broker asked for it, and nobody is to come in its place
  kUnheard,    // it was stopped since it said no hello: a crash all the same
};

/// Whether the store has a worker's session.
enum class OnRecord : uint8_t {
  kNo,
  kWritten,  // what it was given is not durable, or says that nobody is there
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
  bool numbered_here = false;  // the broker gave the number in its welcome, no launcher before

  // ---- its life: moved on by the Roster alone ----

  Presence presence = Presence::kVacant;
  Leaving leaving = Leaving::kNo;
  PeerId peer;              // its connection, while it is present
  Instant vacant_since;     // meaningful while kVacant
  bool recovering = false;  // an earlier broker or run knew it; what it holds is not known yet
  OnRecord on_record = OnRecord::kNo;

  // ---- its launcher: none for an external worker ----

  LauncherId launcher;
  size_t group = 0;          // of its task's [[tasks.workers]]
  Budget::Share resources;   // that its process takes
  int64_t launched_pid = 0;  // as its launcher says; 0: not told
  bool reported = false;     // its launcher has said that it runs
  bool stop_asked = false;   // its launcher is to end it
  EndCounts end_counts = EndCounts::kByItself;
  bool orphaned = false;      // its launcher was lost, and it with that
  bool left_holding = false;  // said bye with a block in hand
  std::string loss_reason;    // what a block that it still holds is told to have died of
  Instant gone_since = Instant::Never();  // its process, though nobody has reported an exit

  // ---- connections: a further one counts no further, its starter does ----

  WorkerId starter;            // of a further connection: the launched worker that it belongs to
  std::set<WorkerId> further;  // of a launched worker, in the table
  Instant away_since;          // of one without a session that may come back

  // ---- its process, and how long its leases last ----

  uint64_t session = 0;   // chosen by the process; 0: it cannot come back
  uint64_t greeting = 0;  // the highest of its hellos
  // Of former processes under this id, which another has superseded; the last few.
  std::vector<uint64_t> superseded;
  uint32_t heartbeat_ms = 0;  // 0: its leases do not end by themselves
  uint32_t lease_ms = 0;      // the longest that it was told, by an earlier broker, too
  ProcessRef process;
  Instant lease_until = Instant::Never();
  Instant heard;  // its last ping or hello

  // ---- blocks that it has asked for, and those that it holds ----

  uint32_t want = 0;
  Instant parked_since;
  bool parked = false;     // stands in its task's queue of waiting requests
  bool asked = false;      // of a place: since it connected, for a block, or it brought some along
  Use use;                 // of this connection, as last noted (Roster::NoteUse)
  Use use_of_all;          // of a place: of its connections together
  std::deque<Lease> held;  // in the order of hand-out
  Instant block_deadline = Instant::Never();
  // Of its own making: attempts that failed, since it last completed one; all of them, and all
  // that it completed or failed.
  uint32_t failures_in_a_row = 0;
  uint64_t failures = 0;
  uint64_t tries = 0;

  // Timers of it that are set.
  struct {
    bool lease = false;
    bool probe = false;
    bool block_timeout = false;
  } timer_set;

  // Its place in the answer of the Step that runs.
  uint64_t work_step = 0;
  size_t work_slot = 0;
  uint64_t committed_step = 0;
  size_t committed_slot = 0;

  bool launched() const { return launcher.set(); }
  bool is_further() const { return starter.set(); }
  bool expected() const { return presence == Presence::kExpected; }
  /// Nobody is behind the number: not yet, or not any more.
  bool vacant() const { return presence == Presence::kVacant || expected(); }
  bool is_leaving() const { return leaving != Leaving::kNo; }
  /// Whether it may be given blocks.
  bool live() const { return presence == Presence::kPresent && !is_leaving(); }
  bool may_have_blocks() const { return on_record == OnRecord::kDurable; }
};

}  // namespace bellis
