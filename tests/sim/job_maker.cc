#include "tests/sim/job_maker.h"

#include <algorithm>

namespace bellis::sim {
namespace {

constexpr double kBlocksMax = 300;

/// An upper bound on the number of blocks of the job.
double BlocksAtMost(const JobSpec& job) {
  double sum = 0;
  for (const TaskSpec& task : job.tasks) {
    double blocks = 1;
    for (int d = 0; d < task.total_roi.rank(); ++d) {
      // With a negative context, the written region is larger than total_roi.
      const int64_t context = task.read_roi.shape()[d] - task.write_roi.shape()[d];
      const auto extent = static_cast<double>(task.total_roi.shape()[d] - context);
      blocks *= extent <= 0 ? 0 : extent / static_cast<double>(task.write_roi.shape()[d]) + 1;
    }
    sum += blocks;
  }
  return sum;
}

}  // namespace

JobSpec JobMaker::Make(const std::string& name) {
  while (true) {
    JobSpec job = Try(name);
    if (BlocksAtMost(job) <= kBlocksMax) return job;
  }
}

JobSpec JobMaker::Try(const std::string& name) {
  JobSpec job;
  job.name = name;
  job.serial = random_->Chance(0.1);
  const int rank = static_cast<int>(random_->Pick(1, 4));
  const int64_t tasks = random_->Pick(1, 4);
  for (int64_t t = 0; t < tasks; ++t) {
    job.tasks.push_back(MakeTask("t" + std::to_string(t), rank));
    for (int64_t u = 0; u < t; ++u) {
      if (random_->Chance(0.5)) job.tasks.back().upstream.push_back("t" + std::to_string(u));
    }
  }
  return job;
}

TaskSpec JobMaker::MakeTask(const std::string& id, int rank) {
  TaskSpec task;
  task.task_id = id;
  task.read_write_conflict = random_->Chance(0.5)   ? Conflict::kOrdered
                             : random_->Chance(0.5) ? Conflict::kExclusive
                                                    : Conflict::kNone;
  task.fit = static_cast<Fit>(random_->Pick(0, 2));
  task.order = random_->Chance(0.5) ? Order::kDeepest : Order::kFifo;
  Coordinate total_offset = Coordinate::Filled(rank, 0);
  Coordinate total_shape = total_offset;
  Coordinate read_offset = total_offset;
  Coordinate read_shape = total_offset;
  Coordinate write_offset = total_offset;
  Coordinate write_shape = total_offset;
  static constexpr int64_t kExtent[] = {150, 30, 16, 11};
  const int64_t extent = kExtent[rank - 1];
  for (int d = 0; d < rank; ++d) {
    total_offset[d] = random_->Pick(-8, 8);
    total_shape[d] =
        random_->Chance(0.02) ? random_->Pick(0, 3) : random_->Pick(extent / 3, extent);
    const int64_t lo = random_->Pick(0, 2) * random_->Pick(0, 3);
    const int64_t hi = random_->Pick(0, 2) * random_->Pick(0, 3);
    write_shape[d] = random_->Pick(2, 5);
    write_offset[d] = random_->Pick(-20, 20);
    read_offset[d] = write_offset[d] - lo;
    read_shape[d] = write_shape[d] + lo + hi;
    if (task.read_write_conflict == Conflict::kNone && random_->Chance(0.15)) {
      read_offset[d] = write_offset[d] + random_->Pick(-6, 6);  // negative context
      read_shape[d] = random_->Pick(1, 8);
    }
  }
  task.total_roi = Roi(total_offset, total_shape);
  task.read_roi = Roi(read_offset, read_shape);
  task.write_roi = Roi(write_offset, write_shape);
  if (random_->Chance(0.3)) task.mask = MakeMask(task.total_roi);
  AddWorkers(&task);
  return task;
}

/// A mask of any voxel size and density, near `volume`, which it need not cover exactly.
MaskSpec JobMaker::MakeMask(const Roi& volume) {
  MaskSpec mask;
  mask.offset = mask.voxel_size = mask.shape = volume.shape();
  uint64_t voxels = 1;
  for (int d = 0; d < volume.rank(); ++d) {
    mask.voxel_size[d] = random_->Pick(1, 9);
    mask.offset[d] = volume.offset()[d] + random_->Pick(-5, 5);
    mask.shape[d] =
        std::max<int64_t>(1, volume.shape()[d] / mask.voxel_size[d] + random_->Pick(-1, 1));
    voxels *= static_cast<uint64_t>(mask.shape[d]);
  }
  mask.bits.assign((voxels + 7) / 8, '\0');
  const double density = static_cast<double>(random_->Pick(0, 8)) / 8;
  for (uint64_t v = 0; v < voxels; ++v) {
    if (!random_->Chance(density)) continue;
    mask.bits[v / 8] = static_cast<char>(mask.bits[v / 8] | 1 << (7 - v % 8));
  }
  return mask;
}

void JobMaker::AddWorkers(TaskSpec* task) {
  task->max_retries = static_cast<uint32_t>(random_->Pick(0, 3));
  task->timeout = Duration::Seconds(static_cast<double>(random_->Pick(2, 15)));
  task->max_worker_restarts = static_cast<uint32_t>(random_->Pick(0, 10));
  if (random_->Chance(0.1)) task->max_failures = static_cast<uint32_t>(random_->Pick(0, 20));
  task->external_workers = random_->Chance(0.4);
  task->unsafe_leases = true;
  const int64_t groups = random_->Pick(task->external_workers ? 0 : 1, 3);
  for (int64_t g = 0; g < groups; ++g) {
    WorkerGroup group;
    group.command = {random_->Chance(0.01) ? "missing" : "work", "group" + std::to_string(g)};
    group.count = static_cast<uint32_t>(random_->Pick(1, 3));
    task->workers.push_back(group);
  }
  const auto checkers = [&](const std::string& name) {
    WorkerGroup group;
    group.command = {random_->Chance(0.01) ? "missing" : "look", name};
    group.count = static_cast<uint32_t>(random_->Pick(1, 2));
    return group;
  };
  if (random_->Chance(0.3)) task->check = checkers("checkers");
  if (random_->Chance(0.25)) task->post_check = checkers("confirmers");
  if (random_->Chance(0.3)) {
    const uint64_t most = task->external_workers ? 4 : task->num_workers();
    task->min_workers = static_cast<uint32_t>(random_->Pick(0, static_cast<int64_t>(most)));
  }
  task->release_idle = random_->Chance(0.5);
}

}  // namespace bellis::sim
