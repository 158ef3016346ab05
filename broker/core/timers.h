#pragma once

// Timers, ordered by when they are due. A timer is a note to look at something again. The code that
// handles it checks whether there is still a reason, so timers never need to be removed.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "common/time.h"

namespace bellis {

enum class TimerKind : uint8_t {
  kBlockTimeout,   // a worker's block may have timed out; subject: worker id
  kStopWorker,     // a worker should have left; subject: worker id
  kHello,          // a launched worker's hello is overdue; subject: worker id
  kLease,          // a worker's lease may have ended; subject: worker id
  kProbe,          // is a worker's process still there? subject: worker id
  kReconnect,      // the reconnect window is over
  kLauncherAway,   // a launcher was away for too long; subject: launcher id
  kLauncherProbe,  // is a launcher still there? subject: launcher id
  kTask,           // launch or hand out again; subject: job number, detail: task
  kWatch,          // a progress message is due; subject: watch id
};

struct Timer {
  Instant due;
  TimerKind kind = TimerKind::kTask;
  uint64_t subject = 0;
  uint32_t detail = 0;
};

class Timers {
 public:
  void Add(const Timer& timer) {
    heap_.push_back({timer, next_sequence_++});
    std::push_heap(heap_.begin(), heap_.end(), After);
  }

  Instant next() const { return heap_.empty() ? Instant::Never() : heap_.front().timer.due; }

  /// Takes the first timer that is due; false if there is none. Timers of the same time fire in the
  /// order in which they were added.
  bool PopDue(Instant now, Timer* timer) {
    if (heap_.empty() || heap_.front().timer.due > now) return false;
    std::pop_heap(heap_.begin(), heap_.end(), After);
    *timer = heap_.back().timer;
    heap_.pop_back();
    return true;
  }

 private:
  struct Entry {
    Timer timer;
    uint64_t sequence;
  };
  static bool After(const Entry& a, const Entry& b) {
    return a.timer.due != b.timer.due ? a.timer.due > b.timer.due : a.sequence > b.sequence;
  }
  std::vector<Entry> heap_;
  uint64_t next_sequence_ = 0;
};

}  // namespace bellis
