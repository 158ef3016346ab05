#pragma once

// The clients that watch a job: who gets its progress and its end, and how often.

#include <cstdint>
#include <map>
#include <set>
#include <unordered_map>
#include <vector>

#include "common/ids.h"
#include "common/time.h"

namespace bellis {

/// One `watch` request.
struct Watch {
  uint64_t id = 0;
  PeerId peer;
  uint64_t req = 0;
  JobNumber job;
  Duration interval;
  uint64_t version_sent = 0;  // of the job (Job::version)
};

/// Owns the watches and their ids. Borrows nothing: callers send messages and set timers.
/// Invariant: each watch is listed once under its peer, and once under its job.
class Watches {
 public:
  /// Adds a watch, and sets its id. The pointer is valid until the watch ends.
  const Watch* Begin(Watch watch);
  /// nullptr: the watch has ended.
  Watch* Find(uint64_t id);
  /// How many watches this peer has.
  size_t CountOf(PeerId peer) const;
  /// The job has ended: removes its watches, and returns them in the order of their ids.
  std::vector<Watch> EndOfJob(JobNumber job);
  void EndOfPeer(PeerId peer);
  size_t size() const { return watches_.size(); }

 private:
  std::map<uint64_t, Watch> watches_;
  std::unordered_map<PeerId, std::set<uint64_t>> of_peer_;
  std::map<JobNumber, std::set<uint64_t>> of_job_;
  uint64_t last_ = 0;
};

}  // namespace bellis
