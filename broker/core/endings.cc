#include "broker/core/endings.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/schedule/mutation.h"

namespace bellis {

void Endings::EndJob(Job& job, JobState state, const std::string& reason) {
  for (TaskIndex t = 0; t < job.tasks.size(); ++t) results_.TakeBackAll(job, t);
  jobs_.End(job, state);
  job.reason = reason;
  job.ended = turn_.now();
  for (TaskRun& task : job.tasks) {
    for (const WorkerId id : task.workers) {
      Worker& worker = roster_.At(id);
      if (!task.closed) {
        orders_.LeaveAtOnce(worker, "the job was " + std::string(JobStateName(state)));
      } else if (options_.late_workers_stopped && worker.launched() && !worker.peer.set()) {
        orders_.StopProcess(worker);
      }
    }
  }
  job.frontier->Close();
  for (TaskIndex t = 0; t < job.tasks.size(); ++t) {
    job.final_counts.push_back(job.frontier->counts(t));
  }
  // A broker that is stopped leaves its jobs for the next broker to continue.
  if (!turn_.stopping()) {
    job.spec.origin.ended_at = turn_.clock().UnixSeconds(turn_.now());
    durable_.Persist(JobBegun{job.number, job.id, job.spec});
    durable_.Persist(JobOver{job.number, state, reason, job.final_counts});
  }
  job.frontier.reset();
  job.graph.reset();
  job.mask_bytes = 0;
  for (const TaskSpec& task : job.spec.tasks) {
    if (task.mask) job.mask_bytes += task.mask->bits.size();
  }
  turn_.out().jobs_ended.push_back(job.id);
  turn_.Log(LogLevel::kInfo, fmt::format("job {} {}{}{}", job.id, JobStateName(state),
                                         reason.empty() ? "" : ": ", reason));
  const JobStatus status = StatusOf(job, turn_.now());
  for (const Watch& watch : watches_.EndOfJob(job.number)) {
    if (!Mutated(Mutation::kEndNotTold)) turn_.Send(watch.peer, EndedMsg{watch.req, status});
  }
  DropOldJobs();
}

/// Ended jobs are kept for `status` and `retry_failed`, but not for ever. Cost: O(ended jobs).
void Endings::DropOldJobs() {
  size_t ended = jobs_.size() - jobs_.running();
  uint64_t masks = 0;
  for (const auto& [number, job] : jobs_) {
    if (!job->running()) masks += job->mask_bytes;
  }
  for (auto it = jobs_.begin(); it != jobs_.end() && (ended > options_.jobs_ended_kept ||
                                                      masks > options_.masks_ended_kept);) {
    const Job& job = *it->second;
    if (job.running() || job.workers > 0 || job.queued) {
      ++it;
      continue;
    }
    durable_.Persist(JobForgotten{it->first});
    masks -= job.mask_bytes;
    it = jobs_.Erase(it);
    --ended;
  }
}

/// Plan's estimate assumes that all workers are equally fast, so a job may grow beyond it. A job
/// that outgrows its limit is ended before it exhausts the broker's memory.
bool Endings::OutgrewItsMemory(Job& job, TaskIndex t) {
  TaskRun& task = job.tasks[t];
  const size_t bytes = job.frontier->bytes(t);
  job.bytes += bytes - std::exchange(task.bytes, bytes);
  if (job.bytes <= options_.job_memory_max) return false;
  EndJob(job, JobState::kFailed,
         fmt::format("its schedule has come to take {} bytes of the broker's memory, at most {}: "
                     "make its blocks larger, or give the broker a larger --job-memory-max",
                     job.bytes, options_.job_memory_max));
  return true;
}

void Endings::AbandonTask(Job& job, TaskIndex t, const std::string& error) {
  TaskRun& task = job.tasks[t];
  task.error = error;
  turn_.Log(LogLevel::kError,
            fmt::format("job {}: task {} is given up: {}", job.id, job.spec.tasks[t].task_id,
                        error.substr(0, error.find('\n'))));
  results_.TakeBackAll(job, t);
  for (const WorkerId id : task.workers)
    orders_.LeaveAtOnce(roster_.At(id), "the task is given up");
  job.frontier->Abandon(t);
  jobs_.Queue(job);
}

void Endings::CloseTask(Job& job, TaskIndex t) {
  TaskRun& task = job.tasks[t];
  if (std::exchange(task.closed, true)) return;
  for (const WorkerId id : task.workers) orders_.Leave(roster_.At(id), "the task is done");
  if (--job.open_tasks > 0) return;
  bool completed = true;
  std::string reason;
  for (TaskIndex i = 0; i < job.tasks.size(); ++i) {
    const BlockCounts& counts = job.counts(i);
    completed &= counts.failed == 0 && counts.orphaned == 0;
    if (reason.empty() && !job.tasks[i].error.empty()) {
      reason = fmt::format("task \"{}\" was given up", job.spec.tasks[i].task_id);
    }
  }
  if (completed) return EndJob(job, JobState::kCompleted, "");
  EndJob(job, JobState::kFailed, reason.empty() ? "some blocks failed" : reason);
}

}  // namespace bellis
