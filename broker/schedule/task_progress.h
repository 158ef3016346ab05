#pragma once

// The progress of an earlier run of a task, from which its frontier continues.

#include <cstdint>
#include <utility>
#include <vector>

#include "bellis/job_status.h"
#include "broker/schedule/block_states.h"
#include "broker/schedule/dependency_graph.h"

namespace bellis {

/// The recorded progress of one task of a job that ran before.
struct TaskProgress {
  std::vector<BlockRun> completed;  // ascending, with gaps between them; skipped blocks included
  std::vector<BlockRun> failed;     // likewise
  uint64_t skipped = 0;
  std::vector<std::pair<BlockIndex, uint32_t>> attempts;  // failed attempts of blocks not yet final
  std::vector<FailureRecord> failures;                    // the first few
  uint64_t failures_total = 0;
  bool operator==(const TaskProgress&) const = default;
};

}  // namespace bellis
