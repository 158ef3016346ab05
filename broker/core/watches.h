#pragma once

// Clients that watch a job: who is told of its progress, how often, and of its end.

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

/// Owns the watches and their ids. Borrows nothing; sending and timers are the caller's.
/// Invariant: each watch stands once among those of its peer, and once among those of its job.
class Watches {
 public:
  /// A new one; its id is set here. The pointer is good until the watch ends.
  const Watch* Begin(Watch watch);
  /// nullptr: it has ended.
  Watch* Find(uint64_t id);
  /// How many this peer has.
  size_t CountOf(PeerId peer) const;
  /// The job has ended, and with it its watches, which are returned in the order of their ids.
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
