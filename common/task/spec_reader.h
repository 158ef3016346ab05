#pragma once

// Job specs from generic, JSON-like trees and to them: the `job` of a submit message. Pipeline
// files (bellis/pipeline_file.h) become such trees first: one set of field names and of error
// messages.

#include <nlohmann/json_fwd.hpp>

#include "bellis/job_spec.h"
#include "bellis/pipeline_file.h"
#include "bellis/result.h"

namespace bellis {

/// Reads a job from a JSON-like tree. Checks types, ranges, unknown keys and the shapes of single
/// tasks; what concerns tasks together is ValidateJob's (which this calls last).
/// Errors name the path of the field, the value and what is accepted:
/// "tasks[1].read_roi.shape[0] is -3; at least 1".
Result<JobSpec> ReadJobSpec(const nlohmann::json& tree);

/// The inverse of ReadJobSpec; defaults are left out. Exact, but for timeouts that are not whole
/// microseconds: seconds are read to the nearest one.
nlohmann::json JobSpecToJson(const JobSpec& spec);

}  // namespace bellis
