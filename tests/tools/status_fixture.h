#pragma once

#include <string>

#include "bellis/job_status.h"

namespace bellis {

/// A running task of `blocks` blocks: `completed` are completed, `leased` run, `ready` are ready,
/// and the rest wait.
inline TaskStatus TestTask(const std::string& name, uint64_t blocks, uint64_t completed = 0,
                           uint64_t leased = 0, uint64_t ready = 0) {
  TaskStatus task;
  task.task = name;
  task.counts.blocks = blocks;
  task.counts.completed = completed;
  task.counts.leased = leased;
  task.counts.ready = ready;
  task.counts.pending = blocks - completed - leased - ready;
  return task;
}

inline JobStatus TestJob(std::vector<TaskStatus> tasks, JobState state = JobState::kRunning) {
  JobStatus job;
  job.job = "job-1";
  job.name = "my job";
  job.state = state;
  job.elapsed_s = 12.3;
  job.tasks = std::move(tasks);
  return job;
}

}  // namespace bellis
