#pragma once

// The programs of a job. Together with its layout they decide what a block's result is: two runs of
// the same layout with different programs have different results.

#include <string>
#include <vector>

#include "bellis/job_spec.h"

namespace bellis {

/// The commands, environments and files that commands name (JobOrigin::files) that differ, in a few
/// words each; empty if none does. Files are compared only if both jobs list some. Requires jobs of
/// the same layout (LayoutDifferences).
std::vector<std::string> ProgramDifferences(const JobSpec& stored, const JobSpec& submitted);

}  // namespace bellis
