#pragma once

// Converts JSON-like trees, such as the `job` of a submit message, to job specs and back. Pipeline
// files (bellis/pipeline_file.h) are converted to such trees first, so that field names and error
// messages are the same.

#include <nlohmann/json_fwd.hpp>

#include "bellis/job_spec.h"
#include "bellis/pipeline_file.h"
#include "bellis/result.h"

namespace bellis {

/// Reads a job from a JSON-like tree. Checks types, ranges, unknown keys and the shapes of single
/// tasks. Last, it calls ValidateJob, which checks the tasks together.
/// Errors name the path of the field, the value and what is accepted:
/// "tasks[1].read_roi.shape[0] is -3; at least 1".
Result<JobSpec> ReadJobSpec(const nlohmann::json& tree);

/// The inverse of ReadJobSpec. Defaults are left out. Exact, except for timeouts that are not whole
/// microseconds, which are rounded.
nlohmann::json JobSpecToJson(const JobSpec& spec);

}  // namespace bellis
