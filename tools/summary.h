#pragma once

// The summary of a job at its end, in words that users of blockwise tools know:
//
//     Execution Summary
//     -----------------
//
//       Task smooth:
//
//         num blocks : 64
//         completed ✔: 60 (skipped 0)
//         failed    ✗: 3
//         orphaned  ∅: 1
//
//         Failed Blocks:
//
//           block 12 attempt 3 in worker 4: ValueError('bad pixel')

#include <string>

#include "bellis/job_status.h"

namespace bellis {

/// The whole text, ending in a newline. Pure.
std::string SummaryText(const JobStatus& status);

}  // namespace bellis
