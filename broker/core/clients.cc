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

Job* BrokerCore::FindJob(const std::string& id) {
  // Ids end in the job's number.
  const size_t dash = id.rfind('-');
  if (dash == std::string::npos || id.size() - dash > 20) return nullptr;
  uint64_t number = 0;
  for (size_t i = dash + 1; i < id.size(); ++i) {
    if (id[i] < '0' || id[i] > '9') return nullptr;
    number = number * 10 + static_cast<uint64_t>(id[i] - '0');
  }
  const auto it = jobs_.find(JobNumber(number));
  return it != jobs_.end() && it->second->id == id ? it->second.get() : nullptr;
}

/// The job with that id, or else of that name: the one that runs, or else the newest. Refuses the
/// request, and gives null, when there is none, or when several run. `field`: "status.job".
Job* BrokerCore::JobFor(PeerId peer, const char* field, const std::string& named, uint64_t req) {
  if (Job* job = FindJob(named)) return job;
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
  Refuse(peer, ErrorCode::kUnknownJob,
         newest == nullptr
             ? fmt::format("{} is \"{}\": no such job", field, named)
             : fmt::format("{} is \"{}\": several jobs of this name run, give the id of one: {}",
                           field, named, running),
         req);
  return nullptr;
}

/// By the broker's clock, which goes on while it stands still, since 1970; 0 before that.
uint32_t BrokerCore::UnixSeconds(Instant at) const {
  const int64_t ms = (at + stood_still_).ns / 1'000'000;
  const int64_t seconds = (options_.unix_ms_at_zero + ms) / 1000;
  return static_cast<uint32_t>(std::clamp<int64_t>(seconds, 0, UINT32_MAX));
}

Instant BrokerCore::InstantOf(uint32_t unix_seconds) const {
  const Instant at{(int64_t{unix_seconds} * 1000 - options_.unix_ms_at_zero) * 1'000'000};
  return at - stood_still_;
}

void BrokerCore::OnSubmit(PeerId peer, SubmitMsg submit, Graph graph) {
  if (stopping_)
    return Refuse(peer, ErrorCode::kShuttingDown, "the broker is about to stop", submit.req);
  if (jobs_running_ >= options_.jobs_running_max) {
    return Refuse(
        peer, ErrorCode::kLimit,
        fmt::format("{} jobs are running, at most {}", jobs_running_, options_.jobs_running_max),
        submit.req);
  }
  if (const Status valid = ValidateJob(submit.spec); !valid.ok()) {
    return Refuse(peer, valid.error().code, valid.error().message, submit.req);
  }
  if (!graph && IsBuiltElsewhere(submit.spec)) {
    auto spec = std::make_shared<JobSpec>(std::move(submit.spec));
    const uint64_t req = submit.req;
    return BuildElsewhere(peer, req, std::move(spec), std::move(submit));
  }
  if (options_.durable) {
    Job* stored = JobNamed(submit.spec.name);
    if (stored != nullptr && SubmitAgain(peer, submit, *stored, graph)) return;
  }
  auto job = std::make_unique<Job>();
  job->spec = std::move(submit.spec);
  if (const Status made = Schedule(*job, nullptr, std::move(graph)); !made.ok()) {
    return Refuse(peer, made.error().code, made.error().message, submit.req);
  }
  job->submitted = now_;
  job->spec.origin.submitted_at = UnixSeconds(now_);
  job->spec.origin.ended_at = 0;
  job->number = JobNumber(++last_job_);
  job->id = fmt::format("{}-{}", job->spec.name, last_job_);
  job->spec.origin.run = RunName(UnixSeconds(now_), job->id, options_.run_tag);
  out_->jobs_begun.push_back(job->id);
  Log(LogLevel::kInfo, fmt::format("job {} submitted: {} tasks", job->id, job->tasks.size()));
  Persist(JobBegun{job->number, job->id, job->spec});
  WhenDurable(Answer{peer, SubmittedMsg{submit.req, job->id, false, 0, job->spec.origin.run}});
  jobs_[job->number] = std::move(job);
}

void BrokerCore::OnStatus(PeerId peer, const StatusMsg& status) {
  JobsMsg jobs{status.req, {}};
  if (status.job.empty()) {
    for (const auto& [number, job] : jobs_) jobs.jobs.push_back(StatusOf(*job, now_));
  } else {
    const Job* job = JobFor(peer, "status.job", status.job, status.req);
    if (job == nullptr) return;
    jobs.jobs.push_back(StatusOf(*job, now_));
  }
  SendTo(peer, std::move(jobs));
}

void BrokerCore::OnCancel(PeerId peer, const CancelMsg& cancel) {
  Job* job = JobFor(peer, "cancel.job", cancel.job, cancel.req);
  if (job == nullptr) return;
  if (job->running()) {
    EndJob(*job, JobState::kCancelled, cancel.reason.empty() ? "cancelled" : cancel.reason);
  }
  SendTo(peer, CancelledMsg{cancel.req, job->id});
}

void BrokerCore::OnWatch(PeerId peer, const WatchMsg& watch) {
  Job* job = JobFor(peer, "watch.job", watch.job, watch.req);
  if (job == nullptr) return;
  if (!job->running()) return SendTo(peer, EndedMsg{watch.req, StatusOf(*job, now_)});
  std::set<uint64_t>& watches = peers_[peer].watches;
  if (watches.size() >= options_.watches_max) {
    return Refuse(peer, ErrorCode::kLimit,
                  fmt::format("this connection watches {} times, at most {}; another connection "
                              "may watch, too",
                              watches.size(), options_.watches_max),
                  watch.req);
  }
  const uint64_t id = ++last_watch_;
  watches_[id] = {peer, watch.req, job, Duration::Millis(watch.interval_ms), job->version};
  job->watches.insert(id);
  watches.insert(id);
  SendTo(peer, ProgressMsg{watch.req, StatusOf(*job, now_)});
  timers_.Add({now_ + watches_[id].interval, TimerKind::kWatch, id});
}

void BrokerCore::WatchDue(uint64_t id) {
  const auto it = watches_.find(id);
  if (it == watches_.end()) return;
  Watch& watch = it->second;
  if (watch.version_sent != watch.job->version) {
    watch.version_sent = watch.job->version;
    SendTo(watch.peer, ProgressMsg{watch.req, StatusOf(*watch.job, now_)});
  }
  timers_.Add({now_ + watch.interval, TimerKind::kWatch, id});
}

/// Every block that is not final by now is orphaned, whoever holds it.
void BrokerCore::EndJob(Job& job, JobState state, const std::string& reason) {
  for (TaskIndex t = 0; t < job.tasks.size(); ++t) TakeBackAll(job, t);
  job.state = state;
  job.reason = reason;
  job.ended = now_;
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
    job.spec.origin.ended_at = UnixSeconds(now_);
    Persist(JobBegun{job.number, job.id, job.spec});
    Persist(JobOver{job.number, state, reason, job.final_counts});
  }
  job.frontier.reset();
  job.graph.reset();
  job.mask_bytes = 0;
  for (const TaskSpec& task : job.spec.tasks) {
    if (task.mask) job.mask_bytes += task.mask->bits.size();
  }
  --jobs_running_;
  out_->jobs_ended.push_back(job.id);
  Log(LogLevel::kInfo, fmt::format("job {} {}{}{}", job.id, JobStateName(state),
                                   reason.empty() ? "" : ": ", reason));
  const JobStatus status = StatusOf(job, now_);
  for (const uint64_t id : job.watches) {
    const Watch& watch = watches_[id];
    if (!Mutated(Mutation::kEndNotTold)) SendTo(watch.peer, EndedMsg{watch.req, status});
    peers_[watch.peer].watches.erase(id);
    watches_.erase(id);
  }
  job.watches.clear();
  std::erase(working_jobs_, &job);
  job.working = false;
  DropOldJobs();
}

/// Ended jobs are kept for `status` and `retry_failed`, but not for ever. Cost: O(ended jobs).
void BrokerCore::DropOldJobs() {
  size_t ended = jobs_.size() - jobs_running_;
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
    Persist(JobForgotten{it->first});
    masks -= job.mask_bytes;
    it = jobs_.erase(it);
    --ended;
  }
}

}  // namespace bellis
