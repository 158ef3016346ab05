#pragma once

// A slow, obvious model of the scheduling contract: sets of blocks, loops over all pairs, no
// arithmetic on grids beyond the definition of a tiling. The frontier is compared with it step by
// step.

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "tests/broker/schedule/job_fixture.h"

namespace bellis::test {

class Oracle {
 public:
  enum class State { kMasked, kPending, kReady, kLeased, kCompleted, kFailed, kOrphaned };

  struct Block {
    BlockRef ref;
    GridPoint k{};
    Roi read, write;
    CantorId id = 0;
    uint64_t level = 0;
    std::set<size_t> needs;  // positions in blocks() of blocks that must be completed
    std::set<size_t> after;  // positions of blocks that must be final, however they end
    State state = State::kPending;
  };

  /// Takes positions, ROIs and ids from the grid (vectors_test.cc checks these), and works out
  /// dependencies and readiness by itself.
  Oracle(const Schedule& schedule, Order order) : order_(order) {
    const JobSpec& job = schedule.job;
    for (TaskIndex t = 0; t < job.tasks.size(); ++t) {
      const BlockGrid& grid = schedule.graph->grid(t);
      for (BlockIndex i = 0; i < grid.num_blocks(); ++i) {
        Block block;
        block.ref = {t, i};
        block.k = grid.PointOf(i);
        block.read = grid.ReadRoi(block.k);
        block.write = grid.WriteRoi(block.k);
        block.id = grid.IdOf(block.k);
        if (job.tasks[t].mask && !HasWork(*job.tasks[t].mask, block.write)) {
          block.state = State::kMasked;
        }
        positions_[block.ref] = blocks_.size();
        blocks_.push_back(block);
      }
    }
    queues_.resize(job.tasks.size());
    for (TaskIndex t = 0; t < job.tasks.size(); ++t) {
      if (job.tasks[t].read_write_conflict == Conflict::kOrdered) AddConflicts(schedule, t);
      for (const std::string& up : job.tasks[t].upstream) {
        for (TaskIndex u = 0; u < job.tasks.size(); ++u) {
          if (job.tasks[u].task_id == up) AddChain(u, t);
        }
      }
    }
    for (TaskIndex t = 0; t < job.tasks.size(); ++t) {
      exclusive_.push_back(job.tasks[t].read_write_conflict == Conflict::kExclusive);
    }
    for (size_t b = 0; b < blocks_.size(); ++b) {
      if (blocks_[b].state != State::kPending || !MayStart(blocks_[b])) continue;
      blocks_[b].state = State::kReady;
      queues_[blocks_[b].ref.task].push_back(b);
    }
  }

  const std::vector<Block>& blocks() const { return blocks_; }

  /// The position of the block that must be leased next; nullopt when none is ready.
  std::optional<size_t> Next(TaskIndex task) {
    auto& queue = queues_[task];
    auto best = queue.end();
    for (auto it = queue.begin(); it != queue.end(); ++it) {
      if (exclusive_[task] && IsExcluded(*it)) continue;
      const bool deeper = order_ == Order::kDeepest && best != queue.end() &&
                          blocks_[*it].level > blocks_[*best].level;
      if (best == queue.end() || deeper) best = it;
    }
    if (best == queue.end()) return std::nullopt;
    const size_t block = *best;
    queue.erase(best);
    blocks_[block].state = State::kLeased;
    return block;
  }

  /// Leases that very block. False when it is not ready.
  bool Take(BlockRef ref, size_t* position) {
    *position = positions_.at(ref);
    auto& queue = queues_[ref.task];
    const auto it = std::find(queue.begin(), queue.end(), *position);
    if (it == queue.end()) return false;
    queue.erase(it);
    blocks_[*position].state = State::kLeased;
    return true;
  }

  void Complete(size_t done) {
    blocks_[done].state = State::kCompleted;
    FindReady();
  }

  /// Completes a block that did not run and had no lease.
  void Skip(size_t block) {
    ++skipped_[blocks_[block].ref.task];
    Complete(block);
  }

  void Requeue(size_t block) {
    blocks_[block].state = State::kReady;
    queues_[blocks_[block].ref.task].push_back(block);
  }

  void Fail(size_t failed) {
    blocks_[failed].state = State::kFailed;
    OrphanDependents();
    FindReady();
  }

  void Abandon(TaskIndex task) {
    for (Block& block : blocks_) {
      if (block.ref.task != task) continue;
      if (block.state == State::kPending || block.state == State::kReady) {
        block.state = State::kOrphaned;
      }
    }
    queues_[task].clear();
    OrphanDependents();
    FindReady();
  }

  /// Whether one of the two blocks reads where the other writes.
  bool Conflicting(size_t a, size_t b) const {
    return blocks_[a].ref.task == blocks_[b].ref.task &&
           (blocks_[a].read.Intersects(blocks_[b].write) ||
            blocks_[b].read.Intersects(blocks_[a].write));
  }

  BlockCounts Counts(TaskIndex task) const {
    BlockCounts counts;
    const auto skipped = skipped_.find(task);
    counts.skipped = skipped == skipped_.end() ? 0 : skipped->second;
    for (const Block& block : blocks_) {
      if (block.ref.task != task) continue;
      ++counts.blocks;
      switch (block.state) {
        case State::kMasked: ++counts.masked; break;
        case State::kPending: ++counts.pending; break;
        case State::kReady: ++counts.ready; break;
        case State::kLeased: ++counts.leased; break;
        case State::kCompleted: ++counts.completed; break;
        case State::kFailed: ++counts.failed; break;
        case State::kOrphaned: ++counts.orphaned; break;
      }
    }
    return counts;
  }

 private:
  /// Whether the block meets a true voxel. Looks at all voxels.
  static bool HasWork(const MaskSpec& mask, const Roi& write) {
    const int rank = mask.shape.rank();
    uint64_t voxels = 1;
    for (const int64_t extent : mask.shape) voxels *= static_cast<uint64_t>(extent);
    for (uint64_t v = 0; v < voxels; ++v) {
      if (!mask.At(v)) continue;
      Coordinate offset = mask.offset;
      uint64_t rest = v;
      for (int d = rank; d-- > 0;) {
        const auto extent = static_cast<uint64_t>(mask.shape[d]);
        offset[d] += static_cast<int64_t>(rest % extent) * mask.voxel_size[d];
        rest /= extent;
      }
      if (Roi(offset, mask.voxel_size).Intersects(write)) return true;
    }
    return false;
  }

  bool IsFinal(size_t b) const {
    return blocks_[b].state != State::kPending && blocks_[b].state != State::kReady &&
           blocks_[b].state != State::kLeased;
  }

  bool MayStart(const Block& block) const {
    return std::all_of(block.needs.begin(), block.needs.end(),
                       [this](size_t n) {
                         return blocks_[n].state == State::kCompleted ||
                                blocks_[n].state == State::kMasked;
                       }) &&
           std::all_of(block.after.begin(), block.after.end(),
                       [this](size_t n) { return IsFinal(n); });
  }

  /// Puts the blocks that have become ready into their queues, by id.
  void FindReady() {
    std::vector<size_t> readied;
    for (size_t b = 0; b < blocks_.size(); ++b) {
      if (blocks_[b].state != State::kPending || !MayStart(blocks_[b])) continue;
      blocks_[b].state = State::kReady;
      readied.push_back(b);
    }
    std::sort(readied.begin(), readied.end(),
              [this](size_t a, size_t b) { return blocks_[a].id < blocks_[b].id; });
    for (const size_t b : readied) queues_[blocks_[b].ref.task].push_back(b);
  }

  bool IsExcluded(size_t block) const {
    for (size_t other = 0; other < blocks_.size(); ++other) {
      if (blocks_[other].state == State::kLeased && Conflicting(block, other)) return true;
    }
    return false;
  }

  void OrphanDependents() {
    for (bool changed = true; changed;) {
      changed = false;
      for (Block& block : blocks_) {
        if (block.state != State::kPending) continue;
        const bool lost = std::any_of(block.needs.begin(), block.needs.end(), [this](size_t n) {
          return blocks_[n].state == State::kFailed || blocks_[n].state == State::kOrphaned;
        });
        if (!lost) continue;
        block.state = State::kOrphaned;
        changed = true;
      }
    }
  }

  void AddChain(TaskIndex up, TaskIndex down) {
    for (Block& block : blocks_) {
      if (block.ref.task != down) continue;
      for (const Block& other : blocks_) {
        if (other.ref.task == up && other.write.Intersects(block.read)) {
          block.needs.insert(positions_.at(other.ref));
        }
      }
    }
  }

  /// Follows the definition word for word: lists the offsets, and walks the lists.
  void AddConflicts(const Schedule& schedule, TaskIndex task) {
    const BlockGrid& grid = schedule.graph->grid(task);
    const TaskSpec& spec = schedule.job.tasks[task];
    const int rank = grid.rank();
    const Coordinate lo = spec.write_roi.begin() - spec.read_roi.begin();
    const Coordinate hi = spec.read_roi.end() - spec.write_roi.end();
    std::vector<int64_t> stride;
    for (int d = 0; d < rank; ++d) {
      const int64_t w = spec.write_roi.shape()[d];
      const int64_t reach = (std::max(lo[d], hi[d]) + w + w - 1) / w;
      stride.push_back(std::min(reach, grid.counts()[static_cast<size_t>(d)]));
    }
    std::vector<std::vector<int64_t>> offsets = {{}};
    for (int d = 0; d < rank; ++d) {
      std::vector<std::vector<int64_t>> longer;
      for (const auto& offset : offsets) {
        for (int64_t x = 0; x < stride[static_cast<size_t>(d)]; ++x) {
          longer.push_back(offset);
          longer.back().push_back(x);
        }
      }
      offsets = longer;
    }
    std::reverse(offsets.begin(), offsets.end());
    for (Block& block : blocks_) {
      if (block.ref.task != task) continue;
      for (size_t level = 0; level < offsets.size(); ++level) {
        bool mine = true;
        for (int d = 0; d < rank; ++d) {
          const auto i = static_cast<size_t>(d);
          mine &= block.k[i] % stride[i] == offsets[level][i];
        }
        if (!mine) continue;
        block.level = level;
        if (level > 0) AddNeighbours(&block, offsets[level - 1], offsets[level], stride, grid);
      }
    }
    for (size_t a = 0; a < blocks_.size(); ++a) {
      for (size_t b = 0; b < blocks_.size(); ++b) {
        if (blocks_[a].ref.task != task || blocks_[b].level >= blocks_[a].level) continue;
        if (Conflicting(a, b)) blocks_[a].after.insert(b);
      }
    }
  }

  void AddNeighbours(Block* block, const std::vector<int64_t>& before,
                     const std::vector<int64_t>& here, const std::vector<int64_t>& stride,
                     const BlockGrid& grid) {
    std::vector<GridPoint> points = {block->k};
    for (size_t d = 0; d < here.size(); ++d) {
      const int64_t p = before[d] - here[d];
      std::vector<GridPoint> next;
      for (const GridPoint& point : points) {
        std::set<int64_t> moves = {p};
        if (p < 0) moves.insert(p + stride[d]);
        if (p > 0) moves.insert(p - stride[d]);
        for (const int64_t move : moves) {
          GridPoint moved = point;
          moved[d] += move;
          if (moved[d] >= 0 && moved[d] < grid.counts()[d]) next.push_back(moved);
        }
      }
      points = next;
    }
    for (const GridPoint& point : points) {
      block->needs.insert(positions_.at({block->ref.task, grid.IndexOf(point)}));
    }
  }

  Order order_;
  std::vector<bool> exclusive_;  // by task
  std::vector<Block> blocks_;
  std::map<TaskIndex, uint64_t> skipped_;
  std::map<BlockRef, size_t> positions_;
  std::vector<std::vector<size_t>> queues_;
};

}  // namespace bellis::test
