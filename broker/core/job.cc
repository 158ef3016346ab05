#include "broker/core/job.h"

#include <fmt/format.h>

namespace bellis {
namespace {

/// The notices of a task. A task that was given up has none: its error says why.
std::vector<std::string> NoticesOf(const Job& job, TaskIndex t) {
  const TaskRun& task = job.tasks[t];
  std::vector<std::string> notices;
  if (!task.error.empty()) return notices;
  if (job.running() && !task.slowed.empty()) notices.push_back(task.slowed);
  for (const Duty duty : kAllDuties) {
    for (const GroupRun& group : task.pool(duty).groups) {
      if (group.error.empty()) continue;
      notices.push_back(fmt::format("starts no other {}: {}",
                                    duty == Duty::kWork ? "workers" : "checkers", group.error));
    }
  }
  return notices;
}

TaskStatus StatusOfTask(const Job& job, TaskIndex t) {
  const TaskRun& task = job.tasks[t];
  TaskStatus status;
  status.task = job.spec.tasks[t].task_id;
  status.counts = job.counts(t);
  status.levels = job.levels[t];
  status.workers_starting = task.pool(Duty::kWork).starting;
  status.workers_live = task.pool(Duty::kWork).live;
  uint64_t blocks = 0;
  double ms_total = 0;
  for (const LanguageRun& run : task.languages) {
    if (run.blocks == 0) continue;
    blocks += run.blocks;
    ms_total += run.ms_total;
    status.languages.push_back(
        {run.language, run.blocks, run.ms_total / static_cast<double>(run.blocks)});
  }
  status.block_ms_mean = blocks == 0 ? 0 : ms_total / static_cast<double>(blocks);
  status.worker_restarts = task.restarts;
  status.failures = task.failures;
  status.failures_total = task.failures_total;
  status.error = task.error;
  status.paused = job.spec.tasks[t].paused;
  status.notices = NoticesOf(job, t);
  if (task.launched_any) {
    status.log_dir = job.spec.log_dir.empty() ? "bellis_logs" : job.spec.log_dir;
    if (!job.spec.origin.run.empty()) status.log_dir += "/" + job.spec.origin.run;
  }
  return status;
}

}  // namespace

JobStatus StatusOf(const Job& job, Instant now) {
  JobStatus status;
  status.job = job.id;
  status.name = job.spec.name;
  status.state = job.state;
  status.reason = job.reason;
  status.elapsed_s = ((job.running() ? now : job.ended) - job.submitted).seconds();
  status.user = job.spec.origin.user;
  status.host = job.spec.origin.host;
  status.submitted_at = job.spec.origin.submitted_at;
  for (TaskIndex t = 0; t < job.tasks.size(); ++t) status.tasks.push_back(StatusOfTask(job, t));
  return status;
}

}  // namespace bellis
