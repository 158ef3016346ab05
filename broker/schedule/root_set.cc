#include "broker/schedule/root_set.h"

#include <algorithm>
#include <string>

#include "common/geometry/checked.h"

namespace bellis {
namespace {

/// Appends the rest of `box` without `hole`, as disjoint boxes.
void AppendDifference(GridBox box, const GridBox& hole, std::vector<GridBox>* out) {
  const GridBox common = box.Intersect(hole);
  if (common.empty()) {
    out->push_back(box);
    return;
  }
  for (size_t d = 0; d < static_cast<size_t>(box.rank); ++d) {
    GridBox below = box;
    below.hi[d] = common.lo[d];
    if (!below.empty()) out->push_back(below);
    GridBox above = box;
    above.lo[d] = common.hi[d];
    if (!above.empty()) out->push_back(above);
    box.lo[d] = common.lo[d];
    box.hi[d] = common.hi[d];
  }
}

}  // namespace

RootLattice::RootLattice(const BlockGrid& grid, const ConflictLevels& levels)
    : first_(levels.first_root()), stride_(levels.strides()) {
  whole_.rank = grid.rank();
  if (grid.num_blocks() > 0) whole_ = FromGrid(grid.whole());
}

GridPoint RootLattice::ToGrid(const GridPoint& m) const {
  GridPoint k{};
  for (size_t d = 0; d < static_cast<size_t>(whole_.rank); ++d) {
    k[d] = first_[d] + m[d] * stride_[d];
  }
  return k;
}

GridBox RootLattice::FromGrid(const GridBox& box) const {
  GridBox result{{}, {}, whole_.rank};
  for (size_t d = 0; d < static_cast<size_t>(whole_.rank); ++d) {
    result.lo[d] = CeilDiv(box.lo[d] - first_[d], stride_[d]);
    result.hi[d] = CeilDiv(box.hi[d] - first_[d], stride_[d]);
  }
  return result;
}

Result<RootSet> RootSet::Make(const DependencyGraph& graph, TaskIndex task) {
  RootSet roots;
  const BlockGrid& grid = graph.grid(task);
  const ConflictLevels& levels = graph.levels(task);
  roots.rank_ = grid.rank();
  if (grid.num_blocks() == 0) return roots;
  roots.lattice_ = RootLattice(grid, levels);
  roots.first_index_ = grid.IndexOf(levels.first_root());
  for (int d = 0; d < grid.rank(); ++d) {
    roots.strides_[static_cast<size_t>(d)] =
        grid.index_stride(d) * static_cast<uint64_t>(levels.strides()[static_cast<size_t>(d)]);
  }
  std::vector<GridBox> boxes = {roots.lattice_.whole()};
  for (size_t i = 0; i < graph.upstream(task).size(); ++i) {
    const GridBox hole = roots.lattice_.FromGrid(graph.DependentBox(task, i));
    std::vector<GridBox> rest;
    for (const GridBox& box : boxes) AppendDifference(box, hole, &rest);
    boxes = std::move(rest);
    if (boxes.size() > kBoxesMax) {
      return Error{ErrorCode::kInvalidSpec,
                   "the upstream tasks of task number " + std::to_string(task + 1) +
                       " cut its grid into more than " + std::to_string(kBoxesMax) + " regions"};
    }
  }
  for (const GridBox& box : boxes) {
    roots.cursors_.push_back({roots.IndexOf(box.lo), box.lo, box});
    roots.remaining_ += box.size();
  }
  std::make_heap(roots.cursors_.begin(), roots.cursors_.end(), Later);
  return roots;
}

BlockIndex RootSet::IndexOf(const GridPoint& m) const {
  uint64_t index = first_index_;
  for (size_t d = 0; d < static_cast<size_t>(rank_); ++d) {
    index += static_cast<uint64_t>(m[d]) * strides_[d];
  }
  return index;
}

std::optional<BlockIndex> RootSet::Pop() {
  if (cursors_.empty()) return std::nullopt;
  if (cursors_.size() > 1) std::pop_heap(cursors_.begin(), cursors_.end(), Later);
  Cursor& cursor = cursors_.back();
  const BlockIndex index = cursor.index;
  --remaining_;
  const auto last = static_cast<size_t>(rank_ - 1);
  if (++cursor.at[last] < cursor.box.hi[last]) {
    cursor.index += strides_[last];
  } else {
    --cursor.at[last];
    if (!cursor.box.Next(&cursor.at)) {
      cursors_.pop_back();
      return index;
    }
    cursor.index = IndexOf(cursor.at);
  }
  if (cursors_.size() > 1) std::push_heap(cursors_.begin(), cursors_.end(), Later);
  return index;
}

BlockRun RootSet::PopRun(uint64_t max) {
  if (cursors_.empty() || max == 0) return {};
  BlockRun run{cursors_.front().index, cursors_.front().index};
  const auto last = static_cast<size_t>(rank_ - 1);
  while (!cursors_.empty() && cursors_.front().index == run.end && run.end - run.begin < max) {
    if (cursors_.size() == 1 && strides_[last] == 1) {  // all but the last one of this row at once
      Cursor& cursor = cursors_.front();
      const auto left = static_cast<uint64_t>(cursor.box.hi[last] - cursor.at[last]);
      const uint64_t skipped = std::min(left, max - (run.end - run.begin)) - 1;
      cursor.at[last] += static_cast<int64_t>(skipped);
      cursor.index += skipped;
      remaining_ -= skipped;
    }
    run.end = *Pop() + 1;
  }
  return run;
}

void RootSet::Clear() {
  cursors_.clear();
  remaining_ = 0;
}

}  // namespace bellis
