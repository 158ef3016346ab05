#pragma once

// The settings of a BrokerCore: limits, delays, and the resources of the broker.

#include <cstddef>
#include <cstdint>
#include <string>

#include "common/task/resources.h"
#include "common/time.h"

namespace bellis {

/// Limits and delays; the defaults are the documented ones (docs/ARCHITECTURE.md, "Limits").
struct CoreOptions {
  uint32_t jobs_running_max = 1000;
  size_t jobs_ended_kept = 1000;
  uint64_t masks_ended_kept = uint64_t{1} << 30;  // bytes of the masks of ended jobs
  // A retry waits this long for a worker that has not failed the block before.
  Duration other_worker_wait = Duration::Seconds(30);
  // Grace periods: from "leave" until a worker is stopped; from TERM to KILL.
  Duration leave_grace = Duration::Seconds(10);
  uint32_t stop_grace_ms = 5000;
  // Pauses before a crashed worker is replaced: the first, doubled with each crash up to the last.
  Duration backoff_first = Duration::Millis(100);
  Duration backoff_max = Duration::Seconds(2);
  // A task that needs a launcher waits this long for one. A launcher that is away has this long to
  // come back, and keeps its workers meanwhile.
  Duration launcher_wait = Duration::Seconds(30);
  Duration launcher_probe = Duration::Seconds(10);  // between two messages that test a connection
  Duration hello_wait = Duration::Seconds(60);      // from "launched" to a worker's hello
  // Before a task is given up, its last idle external workers have this long to ask for a block.
  Duration idle_wait = Duration::Seconds(60);
  Duration min_workers_wait = Duration::Seconds(60);  // for min_workers, from the first request on
  uint32_t worker_failures_max = 3;  // in a row; after one more, a launched worker is replaced
  // A task with this many failed attempts since it last completed a block is slowed: one block is
  // handed out per interval, until a block is completed.
  uint64_t failures_till_slow = 1000;
  Duration slow_interval = Duration::Millis(100);
  // A worker's leases end this long after its last ping.
  Duration lease = Duration::Seconds(20);
  // Workers that an earlier broker knew have this long to come back to this one.
  Duration reconnect_window = Duration::Seconds(30);
  // Ids are set aside on disk in advance, so that nobody has to wait for one.
  uint64_t leases_aside = uint64_t{1} << 20;
  uint64_t workers_aside = 1000;
  bool durable = false;  // records are stored; Committed says when they are durable
  // Workers' keys end with their job. A worker that is not connected at that time could not connect
  // any more, so it is stopped.
  bool late_workers_stopped = false;
  // The resources that all launched workers together may take, by name; empty: none is counted.
  Resources resources;
  // Bytes that the schedule of one job may take. A job that would take more is refused; a running
  // job that grows beyond it is ended.
  uint64_t job_memory_max = UINT64_MAX;
  // Schedules with masks of more voxels and cells than this are built in another thread
  // (Effects::builds), at most builds_max of them at once.
  uint64_t build_work_inline_max = uint64_t{1} << 17;
  size_t builds_max = 16;
  size_t watches_max = 1000;    // of one peer
  int64_t unix_ms_at_zero = 0;  // what the time of day is at Instant 0, in ms since 1970
  std::string machine;          // as in `hello`; processes on it can be looked for
  std::string run_tag;          // as in RunName, for all jobs; empty: logs have no folders
};

}  // namespace bellis
