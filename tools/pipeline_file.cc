#include "tools/pipeline_file.h"

#include <filesystem>

#include "common/task/spec_reader.h"

namespace bellis {

Result<JobSpec> LoadPipeline(const PipelineOptions& options) {
  namespace fs = std::filesystem;
  Result<JobSpec> spec = ReadPipelineFile(options.path);
  if (!spec.ok()) return spec;
  std::error_code error;
  const fs::path here = fs::current_path(error);
  if (error) return Error{ErrorCode::kIo, "the current directory: " + error.message()};
  const fs::path folder = (here / options.path).parent_path();
  if (options.serial) spec->serial = true;
  fs::path log_dir = here / "bellis_logs";
  if (!options.log_dir.empty()) {
    log_dir = here / options.log_dir;
  } else if (!spec->log_dir.empty()) {
    log_dir = folder / spec->log_dir;
  }
  spec->log_dir = log_dir.lexically_normal().string();
  return spec;
}

}  // namespace bellis
