#pragma once

// The ready blocks of one task, in the order in which they are leased (SEMANTICS "Life of a
// block"). Two sources: the roots that come by themselves from arithmetic (root_set.h), and blocks
// that were found ready one by one, which wait in a heap.
//
//   fifo:     first the blocks that wait for nothing, by index, then the others as they came
//   deepest:  the highest level first; within a level as in fifo

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "broker/schedule/mutation.h"
#include "broker/schedule/root_set.h"

namespace bellis {

class ReadyQueue {
 public:
  /// A block and its place.
  struct Entry {
    uint64_t level;
    uint64_t sequence;
    BlockIndex block;
  };

  ReadyQueue(RootSet roots, Order order) : roots_(std::move(roots)), order_(order) {}

  /// Adds a block at the end of its level. Cost: O(log size).
  void Push(BlockIndex block, uint64_t level) {
    if (Mutated(Mutation::kDeepestIsFifo)) level = 0;
    if (order_ == Order::kDeepest) return Restore({level, next_sequence_++, block});
    later_.push_back(block);
    ++next_sequence_;
  }
  /// Adds one that waited for nothing, among its like of that level.
  void PushRoot(BlockIndex block, uint64_t level) {
    Restore({order_ == Order::kDeepest ? level : 0, block, block});
  }

  /// The next one, taken out; nullopt when there is none.
  std::optional<Entry> Pop() {
    const auto root = roots_.Peek();
    const Entry as_entry{0, root.value_or(0), root.value_or(0)};
    if (root && (heap_.empty() || After(heap_.front(), as_entry))) {
      roots_.Pop();
      return as_entry;
    }
    if (!later_.empty() && (heap_.empty() || heap_.front().sequence > first_later())) {
      const Entry entry{0, first_later(), later_.front()};
      later_.pop_front();
      return entry;
    }
    if (heap_.empty()) return std::nullopt;
    std::pop_heap(heap_.begin(), heap_.end(), After);
    const Entry entry = heap_.back();
    heap_.pop_back();
    return entry;
  }
  /// Puts one that was popped back to where it stood.
  void Restore(const Entry& entry) {
    heap_.push_back(entry);
    std::push_heap(heap_.begin(), heap_.end(), After);
  }

  /// Whether the next one is a block that waited for nothing.
  bool root_is_next() const {
    return roots_.remaining() > 0 || (!heap_.empty() && heap_.front().sequence < kLater);
  }
  /// Blocks that were found one by one; without those that come in strict order.
  size_t in_heap() const { return heap_.size(); }
  /// All blocks that were found one by one.
  size_t queued() const { return heap_.size() + later_.size(); }
  size_t bytes() const {
    return heap_.capacity() * sizeof(Entry) + later_.size() * sizeof(BlockIndex);
  }

  void Clear() {
    roots_.Clear();
    heap_ = {};
    later_ = {};
  }

 private:
  /// Sequence numbers of blocks that became ready; below it, those of roots: their index.
  static constexpr uint64_t kLater = uint64_t{1} << 62;

  uint64_t first_later() const { return next_sequence_ - later_.size(); }
  static bool After(const Entry& a, const Entry& b) {
    return a.level != b.level ? a.level < b.level : a.sequence > b.sequence;
  }

  RootSet roots_;
  Order order_;
  std::vector<Entry> heap_;       // all but those of later_
  std::deque<BlockIndex> later_;  // fifo: in the order in which they came; no gaps in sequence
  uint64_t next_sequence_ = kLater;
};

}  // namespace bellis
