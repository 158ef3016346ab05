#pragma once

// Reads pipeline files as `bellis run` does, for programs that submit jobs themselves (control.h).
// docs/PIPELINE.md describes every field.
//
// Example:
//
//     const auto job = bellis::ReadPipelineToml("[[tasks]]", "inline");
//     if (!job) std::cerr << job.error().message << "\n";  // what is missing, in which line
//     return job.ok() ? 1 : 0;

#include <string>
#include <string_view>

#include "bellis/export.h"
#include "bellis/job_spec.h"
#include "bellis/result.h"

namespace bellis {

/// Reads a job from the text of a TOML pipeline file of at most 1 MiB, and checks it as the broker
/// would. Errors start with `name` and the line: "pipeline.toml:12: tasks[1].fit is ...". Errors:
/// kInvalidSpec, with the field, its value and what is accepted. Any thread. Cost: linear in the
/// text, the tasks and the edges between them.
BELLIS_API Result<JobSpec> ReadPipelineToml(std::string_view text, const std::string& name);

/// The same from the file at `path`. A relative `cwd` is relative to the file's folder, which is
/// also the default. `name` defaults to the file's stem; `log_dir` stays as written. Mask files
/// that the pipeline names are read, too. Errors: kNotFound, kIo, and kInvalidSpec for the
/// contents.
BELLIS_API Result<JobSpec> ReadPipelineFile(const std::string& path);

}  // namespace bellis
