#pragma once

// The rules that a job must satisfy before it can be scheduled.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "bellis/job_spec.h"
#include "bellis/result.h"

namespace bellis {

/// Limits of one job, documented in docs/PIPELINE.md.
inline constexpr size_t kTasksMax = 1000;
inline constexpr uint32_t kWorkersPerGroupMax = 100'000;
inline constexpr uint32_t kResourceMax = 1'000'000'000;  // of one resource, for one worker
/// Bytes of a pipeline file, whose job must fit in one message.
inline constexpr size_t kPipelineBytesMax = 1 << 20;

/// Checks one job: a name, at least one task, unique task ids, equal ranks, shapes >= 1, write ROI
/// inside read ROI if blocks conflict, coordinates within +-2^61, known upstream tasks, no cycle
/// (the error shows it), workers or external_workers for every task, commands not empty.
/// The error names the path of the first field that breaks a rule, as that of ReadJobSpec does.
/// BlockGrid::Make finds grids that overflow. Cost: linear in tasks and edges.
Status ValidateJob(const JobSpec& spec);

/// For each task the positions of its upstream tasks in `spec.tasks`. Requires ValidateJob.
std::vector<std::vector<size_t>> UpstreamPositions(const JobSpec& spec);

}  // namespace bellis
