#pragma once

// Which blocks watch which blocks of an upstream task. A waiting block watches just one of the many
// blocks that it depends on, as SAT solvers watch literals. When the watched block completes, the
// waiting block looks for another that has not completed. So a block that reads a whole upstream
// task costs one entry, not 10^9.

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "broker/schedule/dependency_graph.h"

namespace bellis {

struct Watcher {
  BlockIndex block = 0;  // the block that waits
  TaskIndex task = 0;    // the task of that block
  uint32_t ordinal = 0;  // which of the task's upstream tasks the watched block belongs to
};

/// The watchers of one upstream task, by watched block.
class WatchList {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  void Add(BlockIndex watched, const Watcher& watcher) {
    uint32_t node;
    if (free_ != kNone) {
      node = free_;
      free_ = nodes_[node].next;
    } else {
      node = static_cast<uint32_t>(nodes_.size());
      nodes_.emplace_back();
    }
    auto [it, inserted] = heads_.try_emplace(watched, kNone);
    nodes_[node] = {watcher, it->second};
    it->second = node;
    ++size_;
  }

  /// Takes all watchers of `watched`: the head of a chain for PopChain, or kNone.
  uint32_t TakeChain(BlockIndex watched) {
    if (heads_.empty()) return kNone;
    const auto it = heads_.find(watched);
    if (it == heads_.end()) return kNone;
    const uint32_t head = it->second;
    heads_.erase(it);
    return head;
  }

  /// The first watcher of the chain; `*head` moves on to the next.
  Watcher PopChain(uint32_t* head) {
    const uint32_t node = *head;
    const Watcher watcher = nodes_[node].watcher;
    *head = nodes_[node].next;
    nodes_[node].next = free_;
    free_ = node;
    --size_;
    return watcher;
  }

  size_t size() const { return size_; }

 private:
  struct Node {
    Watcher watcher;
    uint32_t next = kNone;
  };
  std::unordered_map<BlockIndex, uint32_t> heads_;
  std::vector<Node> nodes_;
  uint32_t free_ = kNone;
  size_t size_ = 0;
};

}  // namespace bellis
