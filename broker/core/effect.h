#pragma once

// Everything that can follow from an event. The caller of Step carries the effects out in this
// order: log, persist, send, forget, load, probe, build. No send need wait for a record: the core
// holds back what must wait until Committed.

#include <memory>
#include <string>
#include <utility>
#include <variant>
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

/// Asks for a call of BuildGraph(*spec, bytes_max) in another thread (schedule_build.h).
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
  std::vector<PeerId> forget;           // peers that said bye or are gone; their ids are invalid
  std::vector<JobNumber> load;          // jobs whose progress is wanted: answered by Loaded
  std::vector<Probe> probes;            // processes to look for: answered by ProcessGone, if so
  std::vector<Build> builds;            // schedules that take long: answered by Built
  std::vector<std::string> jobs_begun;  // ids of jobs that run from now on: workers may come
  std::vector<std::string>
      jobs_ended;  // ids of jobs that have ended: this Step's sends are their last
  Instant next_deadline = Instant::Never();  // when to step with TimePassed at the latest
  bool more_work = false;                    // step with TimePassed as soon as nothing else waits
  bool finished = false;                     // after ShutDown: no launcher is left

  // Messages without content, whose memory the next ones use: one of each goes out for each block.
  std::vector<WorkMsg> spare_work;
  std::vector<CommittedMsg> spare_committed;

  /// Keeps the memory.
  void Clear() {
    log.clear();
    records.clear();
    commit_now = false;
    for (Send& send : sends) Keep(send.message);
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

 private:
  static constexpr size_t kSpareMax = 64;

  void Keep(Message& message) {
    if (auto* work = std::get_if<WorkMsg>(&message); work != nullptr) {
      if (spare_work.size() >= kSpareMax) return;
      work->blocks.clear();
      work->runs.clear();
      spare_work.push_back(std::move(*work));
    } else if (auto* committed = std::get_if<CommittedMsg>(&message); committed != nullptr) {
      if (spare_committed.size() >= kSpareMax) return;
      committed->leases.clear();
      committed->dropped.clear();
      committed->runs.clear();
      spare_committed.push_back(std::move(*committed));
    }
  }
};

}  // namespace bellis
