#include "common/task/tiling.h"

#include <algorithm>
#include <string>

#include "common/geometry/cantor.h"
#include "common/geometry/checked.h"
#include "common/geometry/wide.h"

namespace bellis {

Coordinate ContextBefore(const TaskSpec& task) {
  return task.write_roi.offset() - task.read_roi.offset();
}
Coordinate ContextBehind(const TaskSpec& task) {
  return task.read_roi.end() - task.write_roi.end();
}

Coordinate BlocksPerDimension(const TaskSpec& task) {
  const Coordinate before = ContextBefore(task);
  const Coordinate behind = ContextBehind(task);
  Coordinate counts = task.total_roi.shape();
  for (int d = 0; d < counts.rank(); ++d) {
    const Int128 extent = Int128{counts[d]} - before[d] - behind[d];
    const Int128 block = task.write_roi.shape()[d];
    const Int128 blocks = (extent + (task.fit == Fit::kValid ? 0 : block - 1)) / block;
    counts[d] = extent <= 0 ? 0 : static_cast<int64_t>(std::min<Int128>(blocks, kBlocksMax + 1));
  }
  return counts;
}

Coordinate IdOffset(const TaskSpec& task) {
  const Coordinate before = ContextBefore(task);
  const Coordinate behind = ContextBehind(task);
  for (int d = 0; d < before.rank(); ++d) {
    if (before[d] < 0 || behind[d] < 0) return Coordinate::Filled(before.rank(), 0);
  }
  return before.FloorDivide(task.write_roi.shape());
}

std::optional<Trouble> FindTilingTrouble(const TaskSpec& task, const FieldPath& path) {
  const auto trouble = [&](const std::string& words) {
    return Trouble{path.Key("total_roi"), words};
  };
  const Coordinate counts = BlocksPerDimension(task);
  if (std::find(counts.begin(), counts.end(), 0) != counts.end()) return std::nullopt;
  const std::string grid = "makes a grid of " + counts.ToString() + " blocks";
  Int128 blocks = 1;
  for (const int64_t count : counts) {
    blocks *= count;
    if (blocks > kBlocksMax) return trouble(grid + "; at most 2^62 blocks");
  }
  const Coordinate before = ContextBefore(task);
  const Coordinate behind = ContextBehind(task);
  for (int d = 0; d < counts.rank(); ++d) {
    // The outermost bounds of all blocks. Every sum that a query computes stays below 4 *
    // kWorldMax.
    const Int128 begin = Int128{task.total_roi.offset()[d]} + before[d];
    const Int128 last = begin + Int128{counts[d]} * task.write_roi.shape()[d];
    const Int128 lowest = std::min(begin, begin - before[d]);
    const Int128 highest = std::max(last, last + behind[d]);
    if (lowest <= -Int128{kWorldMax} || highest >= Int128{kWorldMax}) {
      return trouble(grid + " that reaches beyond 2^61 in dimension " + std::to_string(d) +
                     "; all blocks within +-2^61");
    }
  }
  Coordinate last = counts + IdOffset(task);
  for (int d = 0; d < last.rank(); ++d) --last[d];
  if (!CantorNumber(last.begin(), last.rank())) {
    return trouble(grid +
                   ", whose ids do not fit in a signed 64-bit integer; fewer or larger blocks");
  }
  return std::nullopt;
}

}  // namespace bellis
