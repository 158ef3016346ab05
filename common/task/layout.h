#pragma once

// The layout of a job is the part that decides which blocks there are and what each depends on. Two
// runs with the same layout have the same blocks, so the second run need not do the blocks that the
// first has done. Everything else (commands, numbers of workers, retries, timeouts, environment)
// may differ.

#include <string>
#include <vector>

#include "bellis/job_spec.h"

namespace bellis {

/// One line for each field in which the layouts differ, with both values; empty if they are the
/// same.
std::vector<std::string> LayoutDifferences(const JobSpec& stored, const JobSpec& submitted);

}  // namespace bellis
