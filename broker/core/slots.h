#pragma once

// The slots of a task's workers: small numbers from 0, each taken by one worker at a time. A worker
// that takes another's place gets the same slot, so that a slot can stand for a GPU or a port.

#include <algorithm>
#include <cstdint>
#include <set>

namespace bellis {

/// Memory is linear in the highest slot n that was ever taken. Each call costs O(log n), except
/// that slots that are skipped for the first time cost O(1) each.
class Slots {
 public:
  /// Takes the lowest free slot that is not below `from`.
  uint32_t Take(uint32_t from = 0) {
    Extend(from);
    const auto free = free_.lower_bound(from);
    if (free == free_.end()) return end_++;
    const uint32_t slot = *free;
    free_.erase(free);
    return slot;
  }

  /// Takes the slot that a worker had before, or another one if that is taken.
  uint32_t TakeAgain(uint32_t slot) {
    if (slot >= kMax) return Take();
    Extend(slot + 1);
    return free_.erase(slot) > 0 ? slot : Take();
  }

  void GiveBack(uint32_t slot) { free_.insert(slot); }

  /// How many slots are taken.
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
