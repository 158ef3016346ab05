#pragma once

// Jobs to be kept by a journal.

#include <string>
#include <utility>

#include "broker/core/record.h"

namespace bellis::test {

/// A job of `tasks` tasks in one dimension.
inline JobSpec Spec(size_t tasks, int64_t blocks = 1000) {
  JobSpec spec;
  spec.name = "kept";
  for (size_t t = 0; t < tasks; ++t) {
    TaskSpec task;
    task.task_id = "t" + std::to_string(t);
    const Coordinate zero{0};
    task.total_roi = Roi(zero, Coordinate{10 * blocks});
    task.read_roi = Roi(zero, Coordinate{10});
    task.write_roi = Roi(zero, Coordinate{10});
    task.external_workers = true;
    spec.tasks.push_back(std::move(task));
  }
  return spec;
}

}  // namespace bellis::test
