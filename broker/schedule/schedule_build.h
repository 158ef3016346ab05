#pragma once

// Builds the schedule of a job, with a bound on the memory that it may take. The part that grows
// with the job's masks may take seconds: the owner of the core does it in another thread
// (Effects::builds). Pure; any thread.

#include <cstdint>
#include <memory>

#include "bellis/job_spec.h"
#include "bellis/result.h"
#include "broker/schedule/dependency_graph.h"
#include "broker/schedule/frontier.h"

namespace bellis {

/// How much work building the masks of the job is, in voxels and cells (block_mask.h). A unit takes
/// some nanoseconds. Cost: O(tasks).
uint64_t MaskWork(const JobSpec& job);

using Graph = std::shared_ptr<const DependencyGraph>;

/// Requires a job that passed ValidateJob. Error kLimit when the job would take more than
/// `bytes_max` of memory, or when memory runs out. The first check, before the masks are built,
/// uses their upper bound; the second, afterwards, uses the plan's figure (PlanMemory::expected).
/// Other errors: those of DependencyGraph::Make. Cost: O(MaskWork).
Result<Graph> BuildGraph(const JobSpec& job, uint64_t bytes_max);

/// `progress`: where an earlier run stopped, or nullptr. Errors: those of Frontier, and kLimit
/// when memory runs out.
Result<std::unique_ptr<Frontier>> BuildFrontier(const DependencyGraph& graph, const JobSpec& job,
                                                const std::vector<TaskProgress>* progress);

/// Checks that there is memory for the rest of a job beside its schedule: copies of its masks for
/// the journal, and its first blocks. Must be called before anything is changed, since the job
/// cannot be refused afterwards. Error kLimit.
Status CheckRoomBeside(const JobSpec& job);

}  // namespace bellis
