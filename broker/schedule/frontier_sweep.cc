// The sweep: looks at the blocks of a task one by one where arithmetic does not say which are
// ready.

#include <algorithm>
#include <utility>

#include "broker/schedule/conflict_neighbours.h"
#include "broker/schedule/frontier.h"
#include "broker/schedule/mutation.h"

namespace bellis {

/// Whether more blocks of the task may be made ready in bulk.
bool Frontier::HasRoom(TaskIndex task) const {
  const Task& t = tasks_[task];
  const size_t part = t.rests ? 2 : 1;
  // In strict order, no other block is handed out before the sweep has found the next root or come
  // to its end. So it must not rest.
  if (t.fifo && !t.resumed && !t.ready.root_is_next()) return true;
  const size_t ready = t.resumed ? t.ready.queued() : t.ready.in_heap();
  if (ready >= std::max<size_t>(1, limits_.ready_ahead / part)) return false;
  if (t.fifo && !t.resumed) return true;
  // A watch ends when the watched block is completed, and upstream blocks do not wait for this
  // task.
  for (const TaskIndex up : graph_->upstream(task)) {
    const size_t watchers = tasks_[up].dead ? 0 : tasks_[up].watchers.size();
    if (watchers >= std::max<size_t>(1, 4 * limits_.ready_ahead / part)) return false;
  }
  return true;
}

void Frontier::WakeResting() {
  for (TaskIndex task = 0; task < tasks_.size(); ++task) {
    Task& t = tasks_[task];
    if (!t.rests || !HasRoom(task)) continue;
    t.rests = false;
    for (const ReleaseBox& box : std::exchange(t.resting, {})) releases_.push_back(box);
  }
}

void Frontier::RunSweeps() {
  for (TaskIndex task = 0; task < tasks_.size(); ++task) {
    Task& t = tasks_[task];
    while (budget_ > 0 && t.sweeping) {
      if (!HasRoom(task)) {
        t.rests = true;
        break;
      }
      --budget_;
      const uint64_t end = t.counts.blocks;
      if (t.resumed) {
        const auto search = t.states.FirstUnfinished(t.sweep_at, end, &budget_);
        t.sweep_at = search.found.value_or(search.open_lo);
        if (search.found) SweepUnfinished(task, t.sweep_at++);
      } else {
        const auto block =
            t.mask == nullptr ? std::optional(t.sweep_at) : t.mask->First(t.sweep_at, end);
        if (block) SweepBlock(task, *block);
        t.sweep_at = block ? *block + 1 : end;
      }
      if (t.sweep_at < end) continue;
      t.sweeping = false;
      Touch(task);
    }
  }
}

/// For a resumed job: the blocks that `block` waits for may all be completed already. A completion
/// before the sweep has come to `block` does not look at it (Unswept).
void Frontier::SweepUnfinished(TaskIndex task, BlockIndex block) {
  if (tasks_[task].states.Get(block) != BlockState::kWaiting) return;
  if (!BlockerInTask(task, graph_->grid(task).PointOf(block))) Enter(task, block);
}

bool Frontier::Unswept(TaskIndex task, BlockIndex block) const {
  const Task& t = tasks_[task];
  return t.resumed && t.sweeping && block >= t.sweep_at;
}

void Frontier::SweepBlock(TaskIndex task, BlockIndex block) {
  Task& t = tasks_[task];
  if (t.states.Get(block) != BlockState::kWaiting) return;
  const GridPoint k = graph_->grid(task).PointOf(block);
  const ConflictLevels& levels = graph_->levels(task);
  const auto masked = [&](BlockIndex other) {
    return t.mask != nullptr && !t.mask->Contains(other);
  };
  Neighbours neighbours;
  levels.Upstream(k, &neighbours);
  if (!std::all_of(neighbours.begin(), neighbours.end(), masked)) return;
  const uint64_t level = levels.LevelOf(k);
  const BlockGrid& grid = graph_->grid(task);
  if (t.direct && AnyConflicting(grid, k, [&](const GridPoint& other) {
        return levels.LevelOf(other) < level && t.mask->Contains(other);
      })) {
    return;
  }
  // No block inside the task will ever wake this one. Will a block of an upstream task?
  if (WaitsForMaskedOnly(task, k)) {
    t.states.Set(block, BlockState::kIssued);
    --t.counts.pending;
    ++t.counts.ready;
    t.ready.PushRoot(block, level);
    Touch(task);
  } else if ((level > 0 || !WatchIsSet(task, k)) && !Mutated(Mutation::kSweepForgets)) {
    Scan({block, task, 0}, std::nullopt);
  }
}

/// Whether all blocks of upstream tasks that block `k` depends on are masked.
bool Frontier::WaitsForMaskedOnly(TaskIndex task, const GridPoint& k) const {
  for (size_t i = 0; i < graph_->upstream(task).size(); ++i) {
    const GridBox box = graph_->UpstreamBox(task, i, k);
    if (box.empty()) continue;
    const BlockMask* mask = graph_->mask(graph_->upstream(task)[i]);
    if (mask == nullptr || mask->Meets(box)) return false;
  }
  return true;
}

/// Whether the watch that a root has by arithmetic (ReleaseAcross) is on a block that will
/// complete.
bool Frontier::WatchIsSet(TaskIndex task, const GridPoint& k) const {
  for (size_t i = 0; i < graph_->upstream(task).size(); ++i) {
    const GridBox box = graph_->UpstreamBox(task, i, k);
    if (box.empty()) continue;
    const BlockMask* mask = graph_->mask(graph_->upstream(task)[i]);
    if (mask == nullptr) return true;
    GridPoint last = box.hi;
    for (size_t d = 0; d < static_cast<size_t>(box.rank); ++d) --last[d];
    return mask->Contains(last);
  }
  return false;
}

}  // namespace bellis
