#include "client/cpp/stock.h"

#include <algorithm>
#include <string>
#include <utility>

#include "common/protocol/task_grid.h"

namespace bellis {

Status Stock::SetGrid(const std::optional<TaskGrid>& grid) {
  Result<BlockTiling> tiling = grid ? TilingOf(*grid) : Error{ErrorCode::kNotFound, ""};
  if (!tiling.ok()) {
    UnfoldAll();
    tiling_.reset();
    return grid ? Status(tiling.error()) : OkStatus();
  }
  tiling_ = std::move(tiling).value();
  return OkStatus();
}

/// Makes single blocks of all runs.
void Stock::UnfoldAll() {
  std::deque<Part> single;
  while (!parts_.empty()) {
    const LeasedBlock block = TakeFirst();
    single.push_back({{block.lease, block.index, 1}, block});
  }
  size_ = single.size();
  parts_ = std::move(single);
}

Status Stock::Add(const WorkMsg& work) {
  for (const WorkRun& run : work.runs) {
    const uint64_t all = tiling_ ? tiling_->num_blocks() : 0;
    if (run.index < all && all - run.index >= run.count) continue;
    return Error{ErrorCode::kBadMessage, "the broker hands out blocks from index " +
                                             std::to_string(run.index) + " on, of a grid of " +
                                             std::to_string(all)};
  }
  const auto before = static_cast<ptrdiff_t>(parts_.size());
  for (const LeasedBlock& block : work.blocks) {
    parts_.push_back({{block.lease, block.index, 1}, block});
  }
  for (const WorkRun& run : work.runs) parts_.push_back({run, std::nullopt});
  if (!work.blocks.empty() && !work.runs.empty()) {
    std::sort(parts_.begin() + before, parts_.end(),
              [](const Part& a, const Part& b) { return a.run.lease < b.run.lease; });
  }
  size_ += work.blocks.size();
  for (const WorkRun& run : work.runs) size_ += run.count;
  return OkStatus();
}

LeasedBlock Stock::FirstOf(const Part& part) const {
  if (part.block) return *part.block;
  const GridPoint k = tiling_->PointOf(part.run.index);
  return {part.run.lease,      part.run.index,       tiling_->IdOf(k),
          tiling_->ReadRoi(k), tiling_->WriteRoi(k), 1};
}

LeasedBlock Stock::TakeFirst() {
  Part& part = parts_.front();
  LeasedBlock first = FirstOf(part);
  --size_;
  ++part.run.lease.value;
  ++part.run.index;
  if (--part.run.count == 0) parts_.pop_front();
  return first;
}

void Stock::AppendTo(std::vector<HeldLease>* all) const {
  for (const Part& part : parts_) {
    const uint32_t attempt = part.block ? part.block->attempt : 1;
    for (uint32_t i = 0; i < part.run.count; ++i) {
      all->push_back({LeaseId(part.run.lease.value + i), part.run.index + i, attempt});
    }
  }
}

void Stock::KeepOnly(const std::vector<LeaseId>& ours) {
  std::deque<Part> kept;
  for (const Part& part : std::exchange(parts_, {})) {
    for (uint32_t i = 0; i < part.run.count; ++i) {
      const LeaseId lease(part.run.lease.value + i);
      if (!std::binary_search(ours.begin(), ours.end(), lease)) continue;
      const bool follows = i > 0 && !kept.empty() &&
                           kept.back().run.lease.value + kept.back().run.count == lease.value &&
                           !kept.back().block;
      if (!follows) kept.push_back({{lease, part.run.index + i, 0}, part.block});
      ++kept.back().run.count;
    }
  }
  parts_ = std::move(kept);
  size_ = 0;
  for (const Part& part : parts_) size_ += part.run.count;
}

}  // namespace bellis
