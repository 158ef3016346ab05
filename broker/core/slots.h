#pragma once

// The places of a task's workers: small numbers from 0, each of one worker at a time. A worker that
// takes another's place has the other's number, so that a slot can stand for a GPU or a port.

#include <algorithm>
#include <cstdint>
#include <set>

namespace bellis {

/// Memory grows with the highest number that was ever taken; each call is O(log of that), but for
/// numbers that are passed over the first time.
class Slots {
 public:
  /// The lowest free one that is not below `from`.
  uint32_t Take(uint32_t from = 0) {
    Extend(from);
    const auto free = free_.lower_bound(from);
    if (free == free_.end()) return end_++;
    const uint32_t slot = *free;
    free_.erase(free);
    return slot;
  }

  /// The slot that a worker had before; another one if that is taken now.
  uint32_t TakeAgain(uint32_t slot) {
    if (slot >= kMax) return Take();
    Extend(slot + 1);
    return free_.erase(slot) > 0 ? slot : Take();
  }

  void GiveBack(uint32_t slot) { free_.insert(slot); }

  /// How many are taken.
  uint64_t taken() const { return end_ - free_.size(); }

 private:
  static constexpr uint32_t kMax = 1 << 24;  // more than a task may have workers

  void Extend(uint32_t end) {
    while (end_ < std::min(end, kMax)) free_.insert(free_.end(), end_++);
  }

  std::set<uint32_t> free_;  // below end_
  uint32_t end_ = 0;
};

}  // namespace bellis
