#pragma once

// The ready blocks of one task, in the order in which they are leased (SEMANTICS "Life of a
// block"). They come from two sources: roots, which follow from arithmetic (root_set.h), and blocks
// that were found ready one by one, which wait in a heap.
//
//   fifo:     first the roots, by index, then the others in the order in which they became ready
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
  /// Adds a root, or a block that waited for masked blocks only, among the blocks of its level, in
  /// the order of their indices.
  void PushRoot(BlockIndex block, uint64_t level) {
    Restore({order_ == Order::kDeepest ? level : 0, block, block});
  }

  /// Takes out the next block; nullopt when there is none.
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
  /// Takes out the next blocks as long as they are roots with consecutive indices, at most `max`.
  /// An empty run: the next block is no root.
  BlockRun PopRoots(uint64_t max) {
    const auto root = roots_.Peek();
    if (!root) return {};
    if (!heap_.empty()) {
      const Entry as_entry{0, *root, *root};
      if (!After(heap_.front(), as_entry)) return {};
      max = std::min(max, heap_.front().sequence - *root);  // which may lie between the roots
    }
    return roots_.PopRun(max);
  }
  /// Puts a popped entry back in its place.
  void Restore(const Entry& entry) {
    heap_.push_back(entry);
    std::push_heap(heap_.begin(), heap_.end(), After);
  }

  /// Whether the next block is a root, or was added by PushRoot.
  bool root_is_next() const {
    return roots_.remaining() > 0 || (!heap_.empty() && heap_.front().sequence < kLater);
  }
  /// The number of blocks in the heap: those found one by one, except those in strict order.
  size_t in_heap() const { return heap_.size(); }
  /// The number of all blocks that were found one by one.
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
  /// The first sequence number of blocks that became ready. Below it, a root's number is its index.
  static constexpr uint64_t kLater = uint64_t{1} << 62;

  uint64_t first_later() const { return next_sequence_ - later_.size(); }
  static bool After(const Entry& a, const Entry& b) {
    return a.level != b.level ? a.level < b.level : a.sequence > b.sequence;
  }

  RootSet roots_;
  Order order_;
  std::vector<Entry> heap_;       // all found blocks except those in later_
  std::deque<BlockIndex> later_;  // fifo: in the order in which they came; no gaps in sequence
  uint64_t next_sequence_ = kLater;
};

}  // namespace bellis
