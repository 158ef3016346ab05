#pragma once

// Making the schedule of a job, with a bound on the memory that it may take. What grows with a
// job's masks may take seconds: the owner of the core does that part in another thread
// (Effects::builds). Pure; any thread.

#include <cstdint>
#include <memory>

#include "broker/schedule/dependency_graph.h"
#include "broker/schedule/frontier.h"
#include "common/result.h"
#include "common/task/job_spec.h"

namespace bellis {

/// How much work the masks of the job are, in voxels and cells (block_mask.h). A unit takes some
/// nanoseconds. Cost: O(tasks).
uint64_t MaskWork(const JobSpec& job);

using Graph = std::shared_ptr<const DependencyGraph>;

/// Requires a job that passed ValidateJob. Error kLimit, where the job would take more than
/// `bytes_max` of memory: before its masks are built by what these take at most, afterwards by
/// plan's figure (PlanMemory::expected); or where there is no memory. Others: as
/// DependencyGraph::Make. Cost: O(MaskWork).
Result<Graph> BuildGraph(const JobSpec& job, uint64_t bytes_max);

/// `progress`: where an earlier run stopped, or nullptr. Errors: those of Frontier, and kLimit
/// where there is no memory.
Result<std::unique_ptr<Frontier>> BuildFrontier(const DependencyGraph& graph, const JobSpec& job,
                                                const std::vector<TaskProgress>* progress);

/// Whether there is memory for what a job takes beside its schedule: copies of its masks for the
/// journal, and its first blocks. To be asked before anything is changed, since later nobody could
/// refuse the job. Error kLimit.
Status CheckRoomBeside(const JobSpec& job);

}  // namespace bellis
