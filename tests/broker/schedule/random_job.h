#pragma once

// Random small jobs: 1 to 4 dimensions, negative offsets, asymmetric context, all fits, all kinds
// of conflict, masks, chains and diamonds of tasks whose grids do not match.

#include <algorithm>
#include <functional>
#include <random>
#include <string>
#include <utility>

#include "bellis/job_spec.h"

namespace bellis::test {

class RandomJob {
 public:
  /// Picks a number in [lo, hi].
  using Picker = std::function<int(int lo, int hi)>;

  explicit RandomJob(Picker picker) : Pick(std::move(picker)) {}
  explicit RandomJob(uint64_t seed)
      : Pick([random = std::mt19937_64(seed)](int lo, int hi) mutable {
          return std::uniform_int_distribution<int>(lo, hi)(random);
        }) {}

  const Picker Pick;

  JobSpec Make() {
    JobSpec job;
    const int rank = Pick(1, 4);
    const int tasks = Pick(1, 4);
    for (int t = 0; t < tasks; ++t) {
      job.tasks.push_back(MakeTask("t" + std::to_string(t), rank));
      for (int u = 0; u < t; ++u) {
        if (Pick(0, 1) == 1) job.tasks.back().upstream.push_back("t" + std::to_string(u));
      }
    }
    return job;
  }

  /// A mask of any voxel size and density, near `volume`, which it need not cover exactly.
  MaskSpec MakeMask(const Roi& volume) {
    MaskSpec mask;
    mask.offset = mask.voxel_size = mask.shape = volume.shape();
    uint64_t voxels = 1;
    for (int d = 0; d < volume.rank(); ++d) {
      mask.voxel_size[d] = Pick(1, 9);
      mask.offset[d] = volume.offset()[d] + Pick(-5, 5);
      mask.shape[d] = std::max<int64_t>(1, volume.shape()[d] / mask.voxel_size[d] + Pick(-1, 1));
      voxels *= static_cast<uint64_t>(mask.shape[d]);
    }
    mask.bits.assign((voxels + 7) / 8, '\0');
    const int percent = std::min(100, Pick(-1, 5) * 25);
    for (uint64_t v = 0; v < voxels; ++v) {
      if (Pick(1, 100) > percent) continue;
      mask.bits[v / 8] = static_cast<char>(mask.bits[v / 8] | 1 << (7 - v % 8));
    }
    return mask;
  }

 private:
  TaskSpec MakeTask(const std::string& id, int rank) {
    TaskSpec task;
    task.task_id = id;
    task.read_write_conflict = static_cast<Conflict>(Pick(0, 2));
    task.fit = static_cast<Fit>(Pick(0, 2));
    task.external_workers = true;
    Coordinate total_offset = Coordinate::Filled(rank, 0);
    Coordinate total_shape = total_offset;
    Coordinate read_offset = total_offset;
    Coordinate read_shape = total_offset;
    Coordinate write_offset = total_offset;
    Coordinate write_shape = total_offset;
    const int extent = rank == 1 ? 90 : rank == 2 ? 38 : rank == 3 ? 22 : 15;
    for (int d = 0; d < rank; ++d) {
      total_offset[d] = Pick(-8, 8);
      total_shape[d] = Pick(0, 12) == 0 ? Pick(0, 3) : Pick(extent / 2, extent);
      const int64_t lo = Pick(0, 2) * Pick(0, 3);
      const int64_t hi = Pick(0, 2) * Pick(0, 3);
      write_shape[d] = Pick(2, 5);
      write_offset[d] = Pick(-20, 20);
      read_offset[d] = write_offset[d] - lo;
      read_shape[d] = write_shape[d] + lo + hi;
      if (task.read_write_conflict == Conflict::kNone && Pick(0, 5) == 0) {
        read_offset[d] = write_offset[d] + Pick(-6, 6);  // negative context
        read_shape[d] = Pick(1, 8);
      }
    }
    task.total_roi = Roi(total_offset, total_shape);
    task.read_roi = Roi(read_offset, read_shape);
    task.write_roi = Roi(write_offset, write_shape);
    if (Pick(0, 2) == 0) task.mask = MakeMask(task.total_roi);
    return task;
  }
};

}  // namespace bellis::test
