// Clients: submit, status, cancel, watch; the end of jobs.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/core/broker_core.h"
#include "broker/schedule/mutation.h"
#include "broker/schedule/schedule_build.h"
#include "common/task/pipeline.h"
#include "common/task/run_name.h"

namespace bellis {

/// The job with that id, or else of that name: the one that runs, or else the newest. Refuses the
/// request, and gives null, when there is none, or when several run. `field`: "status.job".
Job* BrokerCore::JobFor(PeerId peer, const char* field, const std::string& named, uint64_t req) {
  if (Job* job = jobs_.FindById(named)) return job;
  Job* newest = nullptr;
  std::string running;
  for (auto it = jobs_.rbegin(); it != jobs_.rend(); ++it) {
    Job& job = *it->second;
    if (job.spec.name != named) continue;
    if (job.running()) {
      if (!running.empty()) running += ", ";
      running += job.id;
    }
    if (newest == nullptr || (job.running() && !newest->running())) newest = &job;
  }
  if (newest != nullptr && running.find(", ") == std::string::npos) return newest;
  turn_.Refuse(
      peer, ErrorCode::kUnknownJob,
      newest == nullptr
          ? fmt::format("{} is \"{}\": no such job", field, named)
          : fmt::format("{} is \"{}\": several jobs of this name run, give the id of one: {}",
                        field, named, running),
      req);
  return nullptr;
}

void BrokerCore::OnSubmit(PeerId peer, SubmitMsg submit, Graph graph) {
  if (stopping_)
    return turn_.Refuse(peer, ErrorCode::kShuttingDown, "the broker is about to stop", submit.req);
  if (jobs_.running() >= options_.jobs_running_max) {
    return turn_.Refuse(
        peer, ErrorCode::kLimit,
        fmt::format("{} jobs are running, at most {}", jobs_.running(), options_.jobs_running_max),
        submit.req);
  }
  if (const Status valid = ValidateJob(submit.spec); !valid.ok()) {
    return turn_.Refuse(peer, valid.error().code, valid.error().message, submit.req);
  }
  if (!graph && IsBuiltElsewhere(submit.spec)) {
    auto spec = std::make_shared<JobSpec>(std::move(submit.spec));
    const uint64_t req = submit.req;
    return BuildElsewhere(peer, req, std::move(spec), std::move(submit));
  }
  if (durable_.kept()) {
    Job* stored = jobs_.FindNewest(submit.spec.name);
    if (stored != nullptr && SubmitAgain(peer, submit, *stored, graph)) return;
  }
  auto job = std::make_unique<Job>();
  job->spec = std::move(submit.spec);
  if (const Status made = Schedule(*job, nullptr, std::move(graph)); !made.ok()) {
    return turn_.Refuse(peer, made.error().code, made.error().message, submit.req);
  }
  job->submitted = turn_.now();
  job->spec.origin.submitted_at = turn_.clock().UnixSeconds(turn_.now());
  job->spec.origin.ended_at = 0;
  job->number = jobs_.NextNumber();
  job->id = fmt::format("{}-{}", job->spec.name, job->number.value);
  job->spec.origin.run = RunName(turn_.clock().UnixSeconds(turn_.now()), job->id, options_.run_tag);
  turn_.out().jobs_begun.push_back(job->id);
  turn_.Log(LogLevel::kInfo, fmt::format("job {} submitted: {} tasks", job->id, job->tasks.size()));
  durable_.Persist(JobBegun{job->number, job->id, job->spec});
  WhenDurable(
      AnswerIsDurable{peer, SubmittedMsg{submit.req, job->id, false, 0, job->spec.origin.run}});
  jobs_.Add(std::move(job));
}

void BrokerCore::OnStatus(PeerId peer, const StatusMsg& status) {
  JobsMsg jobs{status.req, {}};
  if (status.job.empty()) {
    for (const auto& [number, job] : jobs_) jobs.jobs.push_back(StatusOf(*job, turn_.now()));
  } else {
    const Job* job = JobFor(peer, "status.job", status.job, status.req);
    if (job == nullptr) return;
    jobs.jobs.push_back(StatusOf(*job, turn_.now()));
  }
  turn_.Send(peer, std::move(jobs));
}

void BrokerCore::OnCancel(PeerId peer, const CancelMsg& cancel) {
  Job* job = JobFor(peer, "cancel.job", cancel.job, cancel.req);
  if (job == nullptr) return;
  if (job->running()) {
    EndJob(*job, JobState::kCancelled, cancel.reason.empty() ? "cancelled" : cancel.reason);
  }
  turn_.Send(peer, CancelledMsg{cancel.req, job->id});
}

void BrokerCore::OnWatch(PeerId peer, const WatchMsg& watch) {
  Job* job = JobFor(peer, "watch.job", watch.job, watch.req);
  if (job == nullptr) return;
  if (!job->running()) return turn_.Send(peer, EndedMsg{watch.req, StatusOf(*job, turn_.now())});
  const size_t watches = watches_.CountOf(peer);
  if (watches >= options_.watches_max) {
    return turn_.Refuse(
        peer, ErrorCode::kLimit,
        fmt::format("this connection watches {} times, at most {}; another connection "
                    "may watch, too",
                    watches, options_.watches_max),
        watch.req);
  }
  const Watch& begun = *watches_.Begin(
      {0, peer, watch.req, job->number, Duration::Millis(watch.interval_ms), job->version});
  turn_.Send(peer, ProgressMsg{watch.req, StatusOf(*job, turn_.now())});
  turn_.Wake({turn_.now() + begun.interval, TimerKind::kWatch, begun.id});
}

void BrokerCore::WatchDue(uint64_t id) {
  Watch* watch = watches_.Find(id);
  if (watch == nullptr) return;
  const Job& job = *jobs_.Find(watch->job);  // a watch ends with its job, before that is forgotten
  if (std::exchange(watch->version_sent, job.version) != job.version) {
    turn_.Send(watch->peer, ProgressMsg{watch->req, StatusOf(job, turn_.now())});
  }
  turn_.Wake({turn_.now() + watch->interval, TimerKind::kWatch, id});
}

/// Every block that is not final by now is orphaned, whoever holds it.
void BrokerCore::EndJob(Job& job, JobState state, const std::string& reason) {
  for (TaskIndex t = 0; t < job.tasks.size(); ++t) TakeBackAll(job, t);
  jobs_.End(job, state);
  job.reason = reason;
  job.ended = turn_.now();
  for (TaskRun& task : job.tasks) {
    for (const WorkerId id : task.workers) {
      Worker& worker = *Find(id);
      if (!task.closed) {
        Leave(worker, "the job was " + std::string(JobStateName(state)), true);
      } else if (options_.late_workers_stopped && worker.launched && !worker.peer.set()) {
        StopProcess(worker);
      }
    }
  }
  job.frontier->Close();
  for (TaskIndex t = 0; t < job.tasks.size(); ++t) {
    job.final_counts.push_back(job.frontier->counts(t));
  }
  // A broker that is stopped leaves its jobs for the next one to go on with.
  if (!stopping_) {
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
void BrokerCore::DropOldJobs() {
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

}  // namespace bellis
