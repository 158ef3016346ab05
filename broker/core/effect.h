#pragma once

// All that can follow from an event. The shell carries it out, in this order: log, persist, send,
// forget, load, probe, build. No send need wait for a record: what must wait is sent after
// Committed.

#include <memory>
#include <string>
#include <vector>

#include "broker/core/record.h"
#include "common/ids.h"
#include "common/protocol/messages.h"
#include "common/time.h"

namespace bellis {

struct Send {
  PeerId to;
  Message message;
};

enum class LogLevel { kDebug, kInfo, kWarning, kError };

struct LogLine {
  LogLevel level;
  std::string text;
};

struct Probe {
  ProbeSubject subject;
  ProcessRef process;
};

/// BuildGraph(*spec, bytes_max) is to be called, in another thread (schedule_build.h).
struct Build {
  uint64_t id = 0;
  std::shared_ptr<const JobSpec> spec;
  uint64_t bytes_max = 0;
};

struct Effects {
  std::vector<LogLine> log;
  std::vector<Record> records;  // to be made durable, in this order; Committed tells when
  bool commit_now = false;      // somebody waits for it
  std::vector<Send> sends;
  std::vector<PeerId> forget;           // said bye, or gone: their ids mean nothing any more
  std::vector<JobNumber> load;          // jobs whose progress is wanted: answered by Loaded
  std::vector<Probe> probes;            // processes to look for: answered by ProcessGone, if so
  std::vector<Build> builds;            // schedules that take long: answered by Built
  std::vector<std::string> jobs_begun;  // ids of jobs that run from now on: workers may come
  std::vector<std::string>
      jobs_ended;  // and that run no more: what is sent in this Step is the last
  Instant next_deadline = Instant::Never();  // when to step with TimePassed at the latest
  bool more_work = false;                    // step with TimePassed as soon as nothing else waits
  bool finished = false;                     // after ShutDown: no launcher is left

  /// Keeps the memory.
  void Clear() {
    log.clear();
    records.clear();
    commit_now = false;
    sends.clear();
    forget.clear();
    load.clear();
    probes.clear();
    builds.clear();
    jobs_begun.clear();
    jobs_ended.clear();
    next_deadline = Instant::Never();
    more_work = false;
    finished = false;
  }
};

}  // namespace bellis
