#pragma once

// The ready blocks of one task, in the order in which they are leased (SEMANTICS "Life of a
// block"). Two sources: the roots, which come by themselves from arithmetic, and blocks that
// became ready one by one, which wait in a heap.
//
//   fifo:     roots by index, then the others as they came
//   deepest:  the highest level first; within level 0 as in fifo

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "broker/core/root_set.h"

namespace bellis {

class ReadyQueue {
 public:
  ReadyQueue(RootSet roots, Order order) : roots_(std::move(roots)), order_(order) {}

  /// Adds a block at the end of its level. Cost: O(log size).
  void Push(BlockIndex block, uint64_t level) {
    heap_.push_back({order_ == Order::kDeepest ? level : 0, next_sequence_++, block});
    std::push_heap(heap_.begin(), heap_.end(), After);
  }

  std::optional<BlockIndex> Pop() {
    const bool deeper = !heap_.empty() && heap_.front().level > 0;
    if (!deeper) {
      if (auto root = roots_.Pop()) return root;
    }
    if (heap_.empty()) return std::nullopt;
    std::pop_heap(heap_.begin(), heap_.end(), After);
    const BlockIndex block = heap_.back().block;
    heap_.pop_back();
    return block;
  }

  uint64_t size() const { return roots_.remaining() + heap_.size(); }
  bool empty() const { return size() == 0; }
  void Clear() {
    roots_.Clear();
    heap_ = {};
  }

 private:
  struct Entry {
    uint64_t level;
    uint64_t sequence;
    BlockIndex block;
  };
  static bool After(const Entry& a, const Entry& b) {
    return a.level != b.level ? a.level < b.level : a.sequence > b.sequence;
  }

  RootSet roots_;
  Order order_;
  std::vector<Entry> heap_;
  uint64_t next_sequence_ = 0;
};

}  // namespace bellis
