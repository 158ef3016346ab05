#pragma once

// Tasks that have no blocks, which is seldom what was meant.

#include <optional>
#include <string>
#include <vector>

#include "bellis/job_spec.h"

namespace bellis {

/// None: the task has blocks. Names the sizes that leave no room in a dimension. Requires a task
/// that was validated.
std::optional<std::string> WhyNoBlocks(const TaskSpec& task);

/// A sentence for each task without blocks, for a terminal.
std::vector<std::string> NoBlocksWarnings(const JobSpec& job);

}  // namespace bellis
