#pragma once

// Virtual time: which action is due when. Actions that are due at the same instant happen in the
// order in which they were added, so that a seed replays exactly.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "common/time.h"

namespace bellis::sim {

class Clock {
 public:
  using Action = std::function<void()>;

  Instant now() const { return now_; }

  void At(Instant due, Action action) {
    heap_.push_back({std::max(due, now_), next_sequence_++, std::move(action)});
    std::push_heap(heap_.begin(), heap_.end(), Later);
  }
  void After(Duration wait, Action action) { At(now_ + wait, std::move(action)); }

  /// Moves on to the next action that is due, and does it. False when there is none.
  bool RunNext() {
    if (heap_.empty()) return false;
    std::pop_heap(heap_.begin(), heap_.end(), Later);
    Entry entry = std::move(heap_.back());
    heap_.pop_back();
    now_ = entry.due;
    entry.action();
    return true;
  }

 private:
  struct Entry {
    Instant due;
    uint64_t sequence;
    Action action;
  };
  static bool Later(const Entry& a, const Entry& b) {
    return a.due != b.due ? a.due > b.due : a.sequence > b.sequence;
  }

  Instant now_;
  std::vector<Entry> heap_;
  uint64_t next_sequence_ = 0;
};

}  // namespace bellis::sim
