#pragma once

// The blocks and runs of blocks of a task whose end is recorded, but not durable yet.

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "broker/schedule/block_grid.h"

namespace bellis {

/// How a block has ended.
enum class Ending : uint8_t { kCompleted, kSkipped, kFailed };

/// By (first) block: how a block has ended, or where a completed run ends. Keeps the memory of
/// entries that were taken out, since there is one for each block.
template <typename Value>
class Uncommitted {
 public:
  using Map = std::unordered_map<BlockIndex, Value>;

  Uncommitted() = default;
  Uncommitted(const Uncommitted&) = delete;
  Uncommitted& operator=(const Uncommitted&) = delete;
  Uncommitted(Uncommitted&&) = default;
  Uncommitted& operator=(Uncommitted&&) = default;
  ~Uncommitted() = default;

  bool empty() const { return entries_.empty(); }
  typename Map::const_iterator begin() const { return entries_.begin(); }
  typename Map::const_iterator end() const { return entries_.end(); }

  /// Requires that the block has no entry.
  void Add(BlockIndex block, Value value) {
    if (spare_.empty()) {
      entries_.emplace(block, value);
      return;
    }
    typename Map::node_type node = std::move(spare_.back());
    spare_.pop_back();
    node.key() = block;
    node.mapped() = value;
    entries_.insert(std::move(node));
  }
  /// Removes the block's entry; nullopt if there is none.
  std::optional<Value> Take(BlockIndex block) {
    typename Map::node_type node = entries_.extract(block);
    if (node.empty()) return std::nullopt;
    const Value value = node.mapped();
    if (spare_.size() < kSpareMax) spare_.push_back(std::move(node));
    return value;
  }
  template <typename Condition>
  void RemoveIf(Condition condition) {
    std::erase_if(entries_, [&](const auto& entry) { return condition(entry.second); });
  }

 private:
  // As many as wait for one commit of the journal, at some 250,000 blocks a second.
  static constexpr size_t kSpareMax = 16'384;
  Map entries_;
  std::vector<typename Map::node_type> spare_;
};

}  // namespace bellis
