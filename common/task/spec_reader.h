#pragma once

// Job specs from text and to text: a pipeline file (TOML), the `job` of a submit message (a
// generic tree, JSON-like). One set of field names and one set of error messages for both.

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "common/result.h"
#include "common/task/job_spec.h"

namespace bellis {

/// Reads a job from a JSON-like tree. Checks types, ranges, unknown keys and the shapes of single
/// tasks; what concerns tasks together is ValidateJob's (which this calls last).
/// Errors name the path of the field, the value and what is accepted:
/// "tasks[1].read_roi.shape[0] is -3; at least 1".
Result<JobSpec> ReadJobSpec(const nlohmann::json& tree);

/// The same from the text of a TOML pipeline file, at most kPipelineBytesMax (pipeline.h) long.
/// `name` stands in the errors, with the line: "pipeline.toml:12: tasks[1].fit is ...".
Result<JobSpec> ReadPipelineToml(std::string_view text, const std::string& name);

/// Reads the file at `path`. A relative or missing `cwd` is taken from the file's folder, and
/// `name` defaults to the file's stem; `log_dir` stays as written. Errors: kNotFound, kIo, and
/// kInvalidSpec for what the file says.
Result<JobSpec> ReadPipelineFile(const std::string& path);

/// The inverse of ReadJobSpec; defaults are left out. Exact, but for timeouts that are not whole
/// microseconds: seconds are read to the nearest one.
nlohmann::json JobSpecToJson(const JobSpec& spec);

}  // namespace bellis
