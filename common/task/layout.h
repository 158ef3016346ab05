#pragma once

// The part of a job that decides which blocks there are and what each depends on. Two runs of the
// same layout have the same blocks: the second need not do what the first has done. Everything else
// (commands, numbers of workers, retries, timeouts, environment) may differ.

#include <string>
#include <vector>

#include "bellis/job_spec.h"

namespace bellis {

/// Where the layouts differ, a line each, naming the field and both values; empty when they do not.
std::vector<std::string> LayoutDifferences(const JobSpec& stored, const JobSpec& submitted);

}  // namespace bellis
