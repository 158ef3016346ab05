#include "common/task/no_blocks.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/task/tiling.h"
#include "common/text/printable.h"

namespace bellis {

std::optional<std::string> WhyNoBlocks(const TaskSpec& task) {
  const Coordinate counts = BlocksPerDimension(task);
  for (int d = 0; d < counts.rank(); ++d) {
    if (counts[d] > 0) continue;
    const int64_t total = task.total_roi.shape()[d];
    const int64_t room =
        std::max<int64_t>(0, total - ContextBefore(task)[d] - ContextBehind(task)[d]);
    return fmt::format(
        "in dimension {}, total_roi has {} units, {} of them can be written to without the context "
        "(read_roi beyond write_roi), and a block writes {}{}",
        d, total, room, task.write_roi.shape()[d],
        room > 0 ? ". With fit \"overhang\" or \"shrink\" there would be one" : "");
  }
  return std::nullopt;
}

std::vector<std::string> NoBlocksWarnings(const JobSpec& job) {
  std::vector<std::string> warnings;
  for (const TaskSpec& task : job.tasks) {
    if (const auto why = WhyNoBlocks(task)) {
      warnings.push_back(fmt::format("task '{}' has no blocks: {}", Printable(task.task_id), *why));
    }
  }
  return warnings;
}

}  // namespace bellis
