#pragma once

// The workers that the broker knows, connected or about to be, and what each holds.

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

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

struct Worker {
  WorkerId id;
  Job* job = nullptr;  // borrowed; outlives the worker
  TaskIndex task = 0;
  Duty duty = Duty::kWork;
  PeerId peer;  // its connection; none before hello and after bye
  std::string language;
  size_t language_slot = 0;  // in its task's statistics

  uint32_t slot = 0;  // its place in its pool, from 0; whoever takes its place has it

  // Started by a launcher: which one, and for which [[tasks.workers]] group.
  bool launched = false;
  LauncherId launcher;
  size_t group = 0;
  std::map<std::string, uint32_t> resources;  // that its process takes
  bool starting = false;                      // no hello yet
  bool reported = false;                      // its launcher has said that it runs
  bool stop_asked = false;                    // its launcher is to end it
  bool exit_expected = false;                 // we asked it to go: its end is no crash
  bool dismissed = false;                     // and nobody is to come in its place
  bool orphaned = false;                      // its launcher was lost, and it with that
  bool left_holding = false;                  // said bye with a block in hand
  bool overdue = false;     // it said no hello for too long: its end is a crash all the same
  std::string loss_reason;  // what a block that it still holds is told to have died of

  // Connections (hello.cc). A further one counts no further: its starter does.
  WorkerId starter;            // of a further connection: the launched worker that it belongs to
  std::set<WorkerId> further;  // of a launched worker, in the table
  bool numbered_here = false;  // the broker gave the number in its welcome
  bool vacant = true;          // nobody is behind this number: not yet, or not any more
  Instant vacant_since;        // meaningful while vacant
  Instant away_since;          // of one without a session that may come back
  int64_t launched_pid = 0;    // as its launcher says; 0: not told
  bool must_end = false;       // told to leave: its process is stopped when it stays
  Instant gone_since = Instant::Never();  // its process, though nobody has reported an exit

  // Its process, and how long its leases last. It may lose its connection and come back.
  uint64_t session = 0;   // chosen by the process; 0: it cannot come back
  uint64_t greeting = 0;  // the highest of its hellos
  // Of former processes under this id, in whose place another has come; the last few.
  std::vector<uint64_t> replaced;
  uint32_t heartbeat_ms = 0;  // 0: its leases do not end by themselves
  uint32_t lease_ms = 0;      // the longest that it was told, by an earlier broker, too
  ProcessRef process;
  Instant lease_until = Instant::Never();
  Instant heard;             // its last ping or hello
  bool lease_armed = false;  // a kLease timer is set
  bool probing = false;      // a kProbe timer is set
  bool stored = false;       // its session has been given to the store
  bool recorded = false;     // and is durable: it may have blocks
  // An earlier broker, or an earlier run of the job, knew it; what it holds is not known yet.
  bool recovering = false;

  // Credit and leases.
  uint32_t want = 0;
  Instant parked_since;
  bool parked = false;     // stands in its task's queue of waiting requests
  bool asked = false;      // since it connected: for a block, or it brought some along
  bool leaving = false;    // was told to drain or leave; gets nothing more
  Use use;                 // of this connection, as last noted (idle.cc)
  Use use_of_all;          // of a place: of its connections together
  std::deque<Lease> held;  // in the order of hand-out
  // Of its own making: attempts that failed, since it last completed one; all of them, and all
  // that it completed or failed.
  uint32_t failures_in_a_row = 0;
  uint64_t failures = 0;
  uint64_t tries = 0;
  Instant block_deadline = Instant::Never();
  bool timeout_armed = false;  // a kBlockTimeout timer is set

  // Its place in the answer of the Step that runs.
  uint64_t work_step = 0;
  size_t work_slot = 0;
  uint64_t committed_step = 0;
  size_t committed_slot = 0;

  bool live() const { return peer.set() && !leaving; }
};

/// Ordered, so that a replay visits workers in the same order.
using WorkerTable = std::map<WorkerId, Worker>;

}  // namespace bellis
