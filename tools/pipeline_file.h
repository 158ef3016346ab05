#pragma once

// The options of commands that read a pipeline: its file, and options that replace fields of the
// file.

#include <string>

#include "bellis/job_spec.h"
#include "bellis/result.h"

namespace bellis {

struct PipelineOptions {
  std::string path;
  std::string log_dir;  // empty: the file's, else "bellis_logs" here
  bool serial = false;
};

/// Reads the job in a pipeline file, and makes its paths absolute, so that any broker on this
/// machine can use them. Paths in the file are relative to the file's folder; paths on the command
/// line are relative to the current directory.
Result<JobSpec> LoadPipeline(const PipelineOptions& options);

}  // namespace bellis
