#pragma once

// The blocks of a job and their dependencies, straight from the definitions (tiling, conflict
// levels, chained tasks, masks): lists of all blocks, loops over all pairs. Slow, obvious,
// and independent of the scheduler's arithmetic.

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "bellis/job_spec.h"
#include "common/ids.h"

namespace bellis::sim {

using Point = std::array<int64_t, kRankMax>;

/// The half-open box [lo, hi).
struct Box {
  Point lo{};
  Point hi{};
  int rank = 0;
  bool Meets(const Box& other) const;
  bool empty() const;
  /// Whether both boxes hold the same points. All empty boxes are the same.
  bool Same(const Box& other) const;
  std::string ToString() const;
};
Box ToBox(const Roi& roi);

struct PlainBlock {
  size_t task = 0;
  BlockIndex index = 0;
  Point k{};
  Box read;
  Box write;
  CantorId id = 0;
  uint64_t level = 0;
  std::vector<size_t> needs;      // positions in the job's list
  std::vector<size_t> needed_by;  // likewise
  bool masked = false;
  std::vector<size_t> after;  // blocks of lower levels that conflict directly: must be final first
  std::vector<size_t> after_by;  // the inverse of `after`
};

struct PlainJob {
  std::vector<PlainBlock> blocks;  // task by task, by index in each
  std::vector<size_t> first;       // position of each task's first block; one more at the end
};

/// Requires a job that the broker accepted. Cost: quadratic in the blocks.
PlainJob LayOut(const JobSpec& spec);

}  // namespace bellis::sim
