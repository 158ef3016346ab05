#pragma once

// What a command line says of a pipeline: its file, and options that replace fields of the file.

#include <string>

#include "bellis/job_spec.h"
#include "bellis/result.h"

namespace bellis {

struct PipelineOptions {
  std::string path;
  std::string log_dir;  // empty: the file's, else "bellis_logs" here
  bool serial = false;
};

/// The job in a pipeline file, ready to be sent anywhere on this machine: its paths are absolute.
/// What the file says is relative to the file's folder, what the command line says to the current
/// directory.
Result<JobSpec> LoadPipeline(const PipelineOptions& options);

}  // namespace bellis
