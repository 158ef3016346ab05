#pragma once

// The blocks of a task whose end is recorded, but not durable yet.

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "broker/schedule/block_grid.h"

namespace bellis {

/// How a block has ended.
enum class Ending : uint8_t { kCompleted, kSkipped, kFailed };

/// Keeps the memory of entries that were taken out, since there is one for each block.
class Uncommitted {
 public:
  using Map = std::unordered_map<BlockIndex, Ending>;

  Uncommitted() = default;
  Uncommitted(const Uncommitted&) = delete;
  Uncommitted& operator=(const Uncommitted&) = delete;
  Uncommitted(Uncommitted&&) = default;
  Uncommitted& operator=(Uncommitted&&) = default;
  ~Uncommitted() = default;

  bool empty() const { return endings_.empty(); }
  Map::const_iterator begin() const { return endings_.begin(); }
  Map::const_iterator end() const { return endings_.end(); }

  /// Requires that the block has no entry.
  void Add(BlockIndex block, Ending ending) {
    if (spare_.empty()) {
      endings_.emplace(block, ending);
      return;
    }
    Map::node_type node = std::move(spare_.back());
    spare_.pop_back();
    node.key() = block;
    node.mapped() = ending;
    endings_.insert(std::move(node));
  }
  /// Removes the block's entry; nullopt if there is none.
  std::optional<Ending> Take(BlockIndex block) {
    Map::node_type node = endings_.extract(block);
    if (node.empty()) return std::nullopt;
    const Ending ending = node.mapped();
    if (spare_.size() < kSpareMax) spare_.push_back(std::move(node));
    return ending;
  }
  template <typename Condition>
  void RemoveIf(Condition condition) {
    std::erase_if(endings_, [&](const auto& entry) { return condition(entry.second); });
  }

 private:
  // As many as wait for one commit of the journal, at some 250,000 blocks a second.
  static constexpr size_t kSpareMax = 16'384;
  Map endings_;
  std::vector<Map::node_type> spare_;
};

}  // namespace bellis
