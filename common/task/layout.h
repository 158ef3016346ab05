#pragma once

// What of a job decides which blocks there are and what each depends on. Two runs of the same
// layout are of the same blocks: what the one has done the other need not do. Everything else
// (commands, numbers of workers, retries, timeouts, environment) may differ.

#include <string>
#include <vector>

#include "common/task/job_spec.h"

namespace bellis {

/// Where the layouts differ, a line each, naming the field and both values; empty when they do not.
std::vector<std::string> LayoutDifferences(const JobSpec& stored, const JobSpec& submitted);

}  // namespace bellis
