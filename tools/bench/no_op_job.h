#pragma once

#include "bellis/job_spec.h"

namespace bellis::bench {

/// A job of a thousand million blocks that do not conflict, for external workers.
inline JobSpec NoOpJob() {
  TaskSpec task;
  task.task_id = "no-op";
  task.total_roi = Roi({0, 0, 0}, {10'000, 10'000, 10'000});
  task.read_roi = Roi({0, 0, 0}, {10, 10, 10});
  task.write_roi = task.read_roi;
  task.read_write_conflict = Conflict::kNone;
  task.external_workers = true;
  JobSpec job;
  job.tasks = {task};
  return job;
}

}  // namespace bellis::bench
