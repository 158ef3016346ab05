#pragma once

// What an earlier run of a task has done: where its frontier goes on.

#include <cstdint>
#include <utility>
#include <vector>

#include "broker/schedule/block_states.h"
#include "broker/schedule/dependency_graph.h"
#include "common/task/status.h"

namespace bellis {

/// What is known of a task of a job that ran before.
struct TaskProgress {
  std::vector<BlockRun> completed;  // ascending, apart, not touching; skipped blocks included
  std::vector<BlockRun> failed;     // likewise
  uint64_t skipped = 0;
  std::vector<std::pair<BlockIndex, uint32_t>> attempts;  // failed ones of blocks not yet final
  std::vector<FailureRecord> failures;                    // the first few
  uint64_t failures_total = 0;
  bool operator==(const TaskProgress&) const = default;
};

}  // namespace bellis
