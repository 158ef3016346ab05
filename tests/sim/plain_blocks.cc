#include "tests/sim/plain_blocks.h"

#include <algorithm>

namespace bellis::sim {
namespace {

int64_t Floor(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }
int64_t Ceiling(int64_t a, int64_t b) { return -Floor(-a, b); }

Box Common(const Box& a, const Box& b) {
  Box box = a;
  for (size_t d = 0; d < static_cast<size_t>(a.rank); ++d) {
    box.lo[d] = std::max(a.lo[d], b.lo[d]);
    box.hi[d] = std::max(box.lo[d], std::min(a.hi[d], b.hi[d]));
  }
  return box;
}

/// C(n, k) for the small numbers of the simulator's jobs.
int64_t Binomial(int64_t n, int64_t k) {
  int64_t result = 1;
  for (int64_t i = 1; i <= k; ++i) result = result * (n - k + i) / i;
  return result;
}

CantorId Cantor(const Point& q, int rank) {
  int64_t id = 0;
  int64_t sum = 0;
  for (int d = 0; d < rank; ++d) {
    sum += q[static_cast<size_t>(d)];
    id += d == 0 ? sum : Binomial(sum + d, d + 1);
  }
  return id;
}

/// The numbers of one task in each dimension, named as in docs/SEMANTICS.md.
struct Tiling {
  explicit Tiling(const TaskSpec& spec) : rank(spec.total_roi.rank()) {
    const Box total = ToBox(spec.total_roi);
    const Box read = ToBox(spec.read_roi);
    const Box write = ToBox(spec.write_roi);
    inside = true;
    for (size_t d = 0; d < static_cast<size_t>(rank); ++d) {
      lo[d] = write.lo[d] - read.lo[d];
      hi[d] = read.hi[d] - write.hi[d];
      inside &= lo[d] >= 0 && hi[d] >= 0;
      w[d] = write.hi[d] - write.lo[d];
      total_write.lo[d] = total.lo[d] + lo[d];
      total_write.hi[d] = total.hi[d] - hi[d];
      const int64_t extent = std::max<int64_t>(0, total_write.hi[d] - total_write.lo[d]);
      counts[d] = spec.fit == Fit::kValid ? extent / w[d] : Ceiling(extent, w[d]);
      empty |= counts[d] == 0;
      stride[d] = std::min(Ceiling(std::max(lo[d], hi[d]) + w[d], w[d]), counts[d]);
    }
    total_write.rank = rank;
  }

  int rank;
  Point lo{}, hi{}, w{}, counts{}, stride{};
  Box total_write;
  bool inside = true;  // the write ROI lies in the read ROI
  bool empty = false;
};

/// All points of [0, shape), the last dimension fastest.
std::vector<Point> PointsOf(const Point& shape, int rank) {
  std::vector<Point> points = {Point{}};
  for (size_t d = 0; d < static_cast<size_t>(rank); ++d) {
    std::vector<Point> longer;
    for (const Point& point : points) {
      for (int64_t x = 0; x < shape[d]; ++x) {
        longer.push_back(point);
        longer.back()[d] = x;
      }
    }
    points = std::move(longer);
  }
  return points;
}

PlainBlock MakeBlock(const TaskSpec& spec, const Tiling& tiling, const Point& k) {
  PlainBlock block;
  block.k = k;
  block.read.rank = block.write.rank = tiling.rank;
  Point q = k;
  for (size_t d = 0; d < static_cast<size_t>(tiling.rank); ++d) {
    block.write.lo[d] = tiling.total_write.lo[d] + k[d] * tiling.w[d];
    block.write.hi[d] = block.write.lo[d] + tiling.w[d];
    block.read.lo[d] = block.write.lo[d] - tiling.lo[d];
    block.read.hi[d] = block.write.hi[d] + tiling.hi[d];
    if (tiling.inside) q[d] += Floor(tiling.lo[d], tiling.w[d]);
  }
  block.id = Cantor(q, tiling.rank);
  if (spec.fit == Fit::kShrink) {
    block.read = Common(block.read, ToBox(spec.total_roi));
    block.write = Common(block.write, tiling.total_write);
  }
  return block;
}

/// Whether no true voxel meets the block. Looks at all voxels.
bool IsMasked(const MaskSpec& mask, const Box& write) {
  Point shape{};
  for (int d = 0; d < write.rank; ++d) shape[static_cast<size_t>(d)] = mask.shape[d];
  uint64_t voxel = 0;
  for (const Point& v : PointsOf(shape, write.rank)) {
    if (!mask.At(voxel++)) continue;
    Box box;
    box.rank = write.rank;
    for (int dim = 0; dim < write.rank; ++dim) {
      const auto d = static_cast<size_t>(dim);
      box.lo[d] = mask.offset[dim] + v[d] * mask.voxel_size[dim];
      box.hi[d] = box.lo[d] + mask.voxel_size[dim];
    }
    if (box.Meets(write)) return false;
  }
  return true;
}

/// Levels and the edges between them, inside one task.
void AddConflicts(const Tiling& tiling, size_t first, std::vector<PlainBlock>& blocks) {
  const auto rank = static_cast<size_t>(tiling.rank);
  std::vector<Point> offsets = PointsOf(tiling.stride, tiling.rank);
  std::reverse(offsets.begin(), offsets.end());
  for (size_t b = first; b < blocks.size(); ++b) {
    Point offset{};
    for (size_t d = 0; d < rank; ++d) offset[d] = blocks[b].k[d] % tiling.stride[d];
    const auto at = std::find(offsets.begin(), offsets.end(), offset);
    blocks[b].level = static_cast<uint64_t>(at - offsets.begin());
    if (blocks[b].level == 0) continue;
    const Point& before = *(at - 1);
    for (size_t other = first; other < blocks.size(); ++other) {
      bool needed = true;
      for (size_t d = 0; d < rank && needed; ++d) {
        const int64_t p = before[d] - offset[d];
        const int64_t moved = blocks[other].k[d] - blocks[b].k[d];
        needed = moved == p || (p < 0 && moved == p + tiling.stride[d]) ||
                 (p > 0 && moved == p - tiling.stride[d]);
      }
      if (needed) blocks[b].needs.push_back(other);
    }
  }
  for (size_t b = first; b < blocks.size(); ++b) {
    for (size_t other = first; other < blocks.size(); ++other) {
      if (blocks[other].level >= blocks[b].level) continue;
      if (blocks[b].read.Meets(blocks[other].write) || blocks[other].read.Meets(blocks[b].write)) {
        blocks[b].after.push_back(other);
      }
    }
  }
}

}  // namespace

bool Box::Meets(const Box& other) const {
  for (size_t d = 0; d < static_cast<size_t>(rank); ++d) {
    if (std::max(lo[d], other.lo[d]) >= std::min(hi[d], other.hi[d])) return false;
  }
  return true;
}

bool Box::empty() const { return !Meets(*this); }

bool Box::Same(const Box& other) const {
  return (empty() && other.empty()) || (lo == other.lo && hi == other.hi && rank == other.rank);
}

std::string Box::ToString() const {
  std::string text = "[";
  for (size_t d = 0; d < static_cast<size_t>(rank); ++d) {
    text += (d == 0 ? "" : ", ") + std::to_string(lo[d]) + ":" + std::to_string(hi[d]);
  }
  return text + "]";
}

Box ToBox(const Roi& roi) {
  Box box;
  box.rank = roi.rank();
  for (int d = 0; d < box.rank; ++d) {
    box.lo[static_cast<size_t>(d)] = roi.offset()[d];
    box.hi[static_cast<size_t>(d)] = roi.offset()[d] + roi.shape()[d];
  }
  return box;
}

PlainJob LayOut(const JobSpec& spec) {
  PlainJob job;
  for (size_t t = 0; t < spec.tasks.size(); ++t) {
    const TaskSpec& task = spec.tasks[t];
    const Tiling tiling(task);
    job.first.push_back(job.blocks.size());
    if (tiling.empty) continue;
    BlockIndex index = 0;
    for (const Point& k : PointsOf(tiling.counts, tiling.rank)) {
      job.blocks.push_back(MakeBlock(task, tiling, k));
      job.blocks.back().task = t;
      job.blocks.back().index = index++;
      job.blocks.back().masked = task.mask && IsMasked(*task.mask, job.blocks.back().write);
    }
    if (task.read_write_conflict == Conflict::kOrdered)
      AddConflicts(tiling, job.first[t], job.blocks);
  }
  job.first.push_back(job.blocks.size());
  for (PlainBlock& block : job.blocks) {
    for (const std::string& up : spec.tasks[block.task].upstream) {
      for (size_t other = 0; other < job.blocks.size(); ++other) {
        const PlainBlock& candidate = job.blocks[other];
        if (spec.tasks[candidate.task].task_id != up) continue;
        if (candidate.write.Meets(block.read)) block.needs.push_back(other);
      }
    }
  }
  for (size_t b = 0; b < job.blocks.size(); ++b) {
    for (const size_t need : job.blocks[b].needs) job.blocks[need].needed_by.push_back(b);
    for (const size_t other : job.blocks[b].after) job.blocks[other].after_by.push_back(b);
  }
  return job;
}

}  // namespace bellis::sim
