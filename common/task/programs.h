#pragma once

// The programs of a job: besides its layout, they decide what a block's result is. Two runs of one
// layout by other programs have other results.

#include <string>
#include <vector>

#include "bellis/job_spec.h"

namespace bellis {

/// Where commands, environments and the files that commands name (JobOrigin::files) differ, a few
/// words each; empty when they do not. Files count where both jobs say some.
/// The tasks are to be the same (LayoutDifferences).
std::vector<std::string> ProgramDifferences(const JobSpec& stored, const JobSpec& submitted);

}  // namespace bellis
