#pragma once

// Finds tasks without blocks, which are usually a mistake.

#include <optional>
#include <string>
#include <vector>

#include "bellis/job_spec.h"

namespace bellis {

/// Why the task has no blocks, with the sizes that leave no room in a dimension; nullopt if it has
/// some. Requires a validated task.
std::optional<std::string> WhyNoBlocks(const TaskSpec& task);

/// A sentence for each task without blocks, for a terminal.
std::vector<std::string> NoBlocksWarnings(const JobSpec& job);

}  // namespace bellis
