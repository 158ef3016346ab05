#include "tests/sim/model.h"

#include <fmt/format.h>

#include <algorithm>

namespace bellis::sim {
/// The places that a task has for workers of a duty.
std::span<const WorkerGroup> Model::PlacesFor(const TaskSpec& spec, Duty duty) {
  if (duty == Duty::kWork) return spec.workers;
  const auto& group = duty == Duty::kCheck ? spec.check : spec.post_check;
  return group ? std::span<const WorkerGroup>(&*group, 1) : std::span<const WorkerGroup>();
}

void Model::Observe(Instant now, const Event& event, const Effects& effects,
                    const std::vector<JobStatus>& jobs) {
  now_ = now;
  gone_.clear();
  timed_out_.clear();
  to_stop_.clear();
  to_stop_unknown_.clear();
  to_launch_.clear();
  given_up_now_.clear();
  new_leases_.clear();
  dismissed_from_.clear();
  launched_for_.clear();
  if (const auto* received = std::get_if<Received>(&event)) {
    CheckAnswers(*received, effects);
    OnReceived(*received, effects);
  } else if (const auto* gone = std::get_if<PeerGone>(&event)) {
    OnUndelivered(*gone);
    OnGone(gone->peer, Going::kGone);
  } else if (std::holds_alternative<ShutDown>(event)) {
    shut_down_ = true;
    for (Job& job : jobs_) job.cancelled = true;
  }
  FollowOrders(jobs);
  PassTimeouts();
  PassHellos();
  FollowEnds(jobs);
  NoteEnoughWorkers();
  FollowSends(effects);
  NoteNeeds();
  CheckWatches(effects);
  CheckForgotten(effects);
  CheckCounts(jobs, effects.more_work);
  if (!effects.more_work) CheckIdle();
}

void Model::FollowSends(const Effects& effects) {
  for (const Send& send : effects.sends) FollowSend(send);
  for (const LeaseId lease : new_leases_) {
    Require(lease.value > last_lease_, "lease ids only grow",
            [&] { return fmt::format("{} after {}", lease.value, last_lease_); });
  }
  if (!new_leases_.empty()) last_lease_ = new_leases_.rbegin()->value;
  Require(
      timed_out_.empty() && to_stop_.empty(), "the worker of a block that timed out is ended", [&] {
        return fmt::format("{} external workers were not told to leave, {} launched not stopped",
                           timed_out_.size(), to_stop_.size());
      });
  Require(to_stop_unknown_.empty(), "a process that the broker does not know is stopped",
          [&] { return fmt::format("worker {}", to_stop_unknown_.begin()->value); });
  Require(to_launch_.empty(), "a launcher that is back gets its launches again",
          [&] { return fmt::format("worker {}", to_launch_.begin()->value); });
}

void Model::FollowSend(const Send& send) {
  if (std::holds_alternative<ErrorMsg>(send.message)) return;  // anybody may be refused
  // An external worker that is given up in this very Step must be told to leave; before that
  // message it may still get an answer.
  if (timed_out_.count(send.to) > 0) {
    if (std::holds_alternative<LeaveMsg>(send.message)) timed_out_.erase(send.to);
    return Require(!std::holds_alternative<WorkMsg>(send.message), "a timed out worker must leave",
                   [&] { return "it was sent " + Describe(send.message); });
  }
  const auto peer = peers_.find(send.to);
  Require(peer != peers_.end(), "messages go to peers that exist",
          [&] { return fmt::format("peer {} <- {}", send.to.value, Describe(send.message)); });
  const Role role = peer->second.role;
  const auto expect = [&](bool holds) {
    Require(holds, "a peer gets only messages that its role understands", [&] {
      return fmt::format("{} {} <- {}", RoleName(role), send.to.value, Describe(send.message));
    });
  };
  if (const auto* work = std::get_if<WorkMsg>(&send.message)) {
    expect(role == Role::kWorker);
    OnWork(send.to, *work);
  } else if (std::holds_alternative<DrainMsg>(send.message) ||
             std::holds_alternative<LeaveMsg>(send.message)) {
    expect(role != Role::kClient);
    if (role == Role::kLauncher) return;
    const auto worker = workers_.find(peer->second.worker);
    if (worker == workers_.end()) return;  // the worker ended in this very Step
    if (std::holds_alternative<LeaveMsg>(send.message)) {
      NoteDismissal(worker->first, worker->second);
    } else {
      const WorkerId starter = worker->second.starter;
      (starter.set() ? workers_.at(starter) : worker->second).drained = true;
    }
    worker->second.leaving = true;
    worker->second.credit = 0;
  } else if (const auto* launch = std::get_if<LaunchMsg>(&send.message)) {
    expect(role == Role::kLauncher);
    OnLaunch(send.to, *launch);
  } else if (const auto* stop = std::get_if<StopMsg>(&send.message)) {
    expect(role == Role::kLauncher);
    if (to_stop_unknown_.erase(stop->worker) > 0) return;
    const auto worker = workers_.find(stop->worker);
    Require(worker != workers_.end() && worker->second.launcher == peer->second.launcher,
            "a launcher is told to stop its own workers",
            [&] { return fmt::format("stop of worker {}", stop->worker.value); });
    Stops(worker->first);
    to_stop_.erase(stop->worker);
  } else if (std::holds_alternative<ProgressMsg>(send.message) ||
             std::holds_alternative<EndedMsg>(send.message) ||
             std::holds_alternative<JobsMsg>(send.message) ||
             std::holds_alternative<SubmittedMsg>(send.message) ||
             std::holds_alternative<CancelledMsg>(send.message)) {
    expect(role == Role::kClient);
  } else {
    expect(std::holds_alternative<WelcomeMsg>(send.message) ||
           std::holds_alternative<PongMsg>(send.message));
  }
}

void Model::OnLaunch(PeerId peer, const LaunchMsg& launch) {
  const auto at = std::find_if(jobs_.begin(), jobs_.end(),
                               [&](const Job& job) { return job.id == launch.job; });
  Require(at != jobs_.end() && !at->ended, "workers are launched for running jobs",
          [&] { return "job " + launch.job; });
  Job& job = *at;
  size_t t = 0;
  while (t < job.tasks.size() && job.spec.tasks[t].task_id != launch.task) ++t;
  Require(t < job.tasks.size(), "workers are launched for tasks of the job",
          [&] { return launch.task; });
  const std::string group = launch.command.back();
  const uint64_t launcher = peers_.at(peer).launcher;
  if (const auto again = workers_.find(launch.worker); again != workers_.end()) {
    const Worker& worker = again->second;
    to_launch_.erase(launch.worker);
    return Require(worker.launcher == launcher && worker.group == group && worker.task == t &&
                       &jobs_[worker.job] == &job && worker.reported_at == Instant::Never(),
                   "a launch is repeated unchanged, and only when it may be lost",
                   [&] { return fmt::format("worker {}", launch.worker.value); });
  }
  Task& task = job.tasks[t];
  Require(task.counts.unfinished() > 0, "workers are launched while blocks remain",
          [&] { return fmt::format("worker {} of {}", launch.worker.value, launch.task); });
  Require(launch.worker.value > last_worker_, "worker ids only grow",
          [&] { return fmt::format("{} after {}", launch.worker.value, last_worker_); });
  last_worker_ = launch.worker.value;
  Duty duty = Duty::kWork;
  const auto told = launch.env.find("BELLIS_DUTY");
  for (const Duty d : kAllDuties) {
    if (told != launch.env.end() && told->second == DutyName(d)) duty = d;
  }
  uint64_t places = 0;
  for (const WorkerGroup& g : PlacesFor(job.spec.tasks[t], duty)) {
    if (g.command.back() == group) places += g.count;
  }
  Worker worker;
  worker.job = static_cast<size_t>(at - jobs_.begin());
  worker.task = t;
  worker.duty = duty;
  worker.launched = true;
  worker.launcher = launcher;
  worker.group = group;
  const uint64_t active = ++task.active[group];
  Require(active + task.retired[group] <= places || (active <= places && MayStartAgain(worker)),
          "at most num_workers at once", [&] {
            return fmt::format("{} run and {} retired in a group of {}", active,
                               task.retired[group], places);
          });
  launched_for_.emplace(worker.job, t, duty);
  workers_[launch.worker] = std::move(worker);
}

/// SEMANTICS "Workers": workers that left with code 0 are started again once the last of them has
/// left, as long as a block was completed since the last such start.
bool Model::MayStartAgain(const Worker& worker) {
  Task& task = jobs_[worker.job].tasks[worker.task];
  for (const auto& [id, other] : workers_) {
    const bool its = other.job == worker.job && other.task == worker.task;
    if (its && other.duty == worker.duty && (other.launched || !other.held.empty())) return false;
  }
  for (const WorkerGroup& g : PlacesFor(jobs_[worker.job].spec.tasks[worker.task], worker.duty)) {
    task.retired.erase(g.command.back());
  }
  return ++task.started_again <= task.answers;
}

void Model::CountAnswer(const Worker& worker) {
  Task& task = jobs_[worker.job].tasks[worker.task];
  ++task.answers;
  if (worker.launched) task.crashes[worker.group] = 0;
}

/// Follows a cancelled job, which ends leases before the timers are looked at.
void Model::FollowOrders(const std::vector<JobStatus>& jobs) {
  Require(jobs.size() == jobs_.size(), "every submitted job is known, and no other",
          [&] { return fmt::format("{} jobs, expected {}", jobs.size(), jobs_.size()); });
  for (size_t j = 0; j < jobs_.size(); ++j) {
    Job& job = jobs_[j];
    if (job.ended) continue;
    if (jobs[j].state == JobState::kCancelled) EndJob(job, jobs[j]);
  }
}

/// Follows the ends that come last in a Step: tasks that nobody will work on, jobs that are over.
void Model::FollowEnds(const std::vector<JobStatus>& jobs) {
  for (size_t j = 0; j < jobs_.size(); ++j) {
    Job& job = jobs_[j];
    if (job.ended) continue;
    for (size_t t = 0; t < job.tasks.size(); ++t) FollowGiveUp(job, t, jobs[j].tasks[t]);
    if (jobs[j].state != JobState::kRunning) EndJob(job, jobs[j]);
  }
}

bool Model::TooManyFailures(const Job& job, size_t t) {
  return job.tasks[t].failures > job.spec.tasks[t].max_failures.value_or(UINT32_MAX);
}

void Model::FollowGiveUp(Job& job, size_t task, const TaskStatus& status) {
  if (job.tasks[task].given_up) return;
  if (status.error.empty()) {
    const bool open = job.tasks[task].counts.unfinished() > 0;
    return Require(!open || !TooManyFailures(job, task), "a task is given up after max_failures",
                   [&] { return status.task; });
  }
  CheckGiveUp(job, task, status);
  given_up_now_.emplace(&job - jobs_.data(), task);
  GiveUp(job, task);
}

/// Whether the group is given up: the broker need not start another process of it.
bool Model::GivenUp(const Job& job, size_t t, const std::string& group) {
  const Task& task = job.tasks[t];
  const auto crashes = task.crashes.find(group);
  const auto unstarted = task.unstarted.find(group);
  return (crashes != task.crashes.end() &&
          crashes->second > job.spec.tasks[t].max_worker_restarts) ||
         (unstarted != task.unstarted.end() && unstarted->second > 1);
}

/// Whether all workers that could be launched for a duty have left for good, and no other worker of
/// that duty holds a block or asks for one.
bool Model::Nobody(const Job& job, size_t t, Duty duty) const {
  const TaskSpec& spec = job.spec.tasks[t];
  const auto groups = PlacesFor(spec, duty);
  if (spec.external_workers || groups.empty()) return false;
  for (const WorkerGroup& group : groups) {
    const std::string& name = group.command.back();
    const auto active = job.tasks[t].active.find(name);
    if (active != job.tasks[t].active.end() && active->second > 0) return false;
    const auto retired = job.tasks[t].retired.find(name);
    const uint64_t left = retired == job.tasks[t].retired.end() ? 0 : retired->second;
    if (left < group.count && !GivenUp(job, t, name)) return false;
  }
  return std::none_of(workers_.begin(), workers_.end(), [&](const auto& entry) {
    const Worker& worker = entry.second;
    return &jobs_[worker.job] == &job && worker.task == t && worker.duty == duty &&
           (!worker.held.empty() || worker.credit > 0);
  });
}

/// Whether the task has blocks for workers of a duty, and a free place for one more worker.
bool Model::Needs(const Job& job, size_t t, Duty duty) {
  const Task& task = job.tasks[t];
  if (job.ended || task.given_up) return false;
  uint64_t places = 0;
  uint64_t active = 0;
  for (const WorkerGroup& group : PlacesFor(job.spec.tasks[t], duty)) {
    places += group.count;
    const auto its = task.active.find(group.command.back());
    if (its != task.active.end()) active += its->second;
  }
  const uint64_t to_do = duty == Duty::kPostCheck ? task.counts.leased : task.counts.ready;
  return to_do > 0 && active < places;
}

void Model::NoteNeeds() {
  for (Job& job : jobs_) {
    for (size_t t = 0; t < job.tasks.size(); ++t) {
      for (const Duty duty : kAllDuties) {
        Instant& since = job.tasks[t].needed_since[static_cast<size_t>(duty)];
        since = Needs(job, t, duty) ? std::min(since, now_) : Instant::Never();
      }
    }
  }
}

/// SEMANTICS "Workers": a task is only given up when nobody can be expected to work on it.
void Model::CheckGiveUp(const Job& job, size_t t, const TaskStatus& status) const {
  const auto& needed_since = job.tasks[t].needed_since;
  const bool no_launcher =
      std::none_of(launchers_.begin(), launchers_.end(),
                   [](const auto& launcher) { return launcher.second.peer.set(); }) &&
      now_ - launcher_missing_since_ >= options_.launcher_wait &&
      std::any_of(needed_since.begin(), needed_since.end(), [this](Instant since) {
        return since != Instant::Never() && now_ - since >= options_.launcher_wait;
      });
  const bool nobody = std::any_of(std::begin(kAllDuties), std::end(kAllDuties),
                                  [&](Duty duty) { return Nobody(job, t, duty); });
  Require(no_launcher || nobody || TooManyFailures(job, t), "a task is given up only for a cause",
          [&] { return status.task + ": " + status.error; });
}

void Model::CheckCounts(const std::vector<JobStatus>& jobs, bool more_work) const {
  for (size_t j = 0; j < jobs_.size(); ++j) {
    const Job& job = jobs_[j];
    bool done = true;
    for (size_t t = 0; t < job.tasks.size(); ++t) {
      const TaskStatus& status = jobs[j].tasks[t];
      const BlockCounts& seen = status.counts;
      const BlockCounts& counts = job.tasks[t].counts;
      done &= counts.unfinished() == 0;
      const auto where = [&](const char* what, uint64_t said, uint64_t meant) {
        return fmt::format("{} of {}/{}: the broker says {}, expected {}", what, job.id,
                           status.task, said, meant);
      };
      const auto equal = [&](const char* what, uint64_t said, uint64_t meant) {
        Require(said == meant, "accounting", [&] { return where(what, said, meant); });
      };
      Require(seen.blocks == seen.masked + seen.pending + seen.ready + seen.leased +
                                 seen.completed + seen.failed + seen.orphaned,
              "counts add up", [&] { return job.id + "/" + status.task; });
      equal("blocks", seen.blocks, counts.blocks);
      equal("masked", seen.masked, counts.masked);
      equal("leased", seen.leased, counts.leased);
      equal("completed", seen.completed, counts.completed);
      equal("skipped", seen.skipped, counts.skipped);
      equal("failed", seen.failed, counts.failed);
      equal("failures_total", status.failures_total, job.tasks[t].failures);
      equal("workers_live", status.workers_live, LiveWorkers(j, t));
      if (more_work) {
        Require(seen.ready <= counts.ready && seen.orphaned <= counts.orphaned,
                "follow-up work never makes a block ready too early",
                [&] { return where("ready", seen.ready, counts.ready); });
        continue;
      }
      equal("pending", seen.pending, counts.pending);
      equal("ready", seen.ready, counts.ready);
      equal("orphaned", seen.orphaned, counts.orphaned);
    }
    Require(more_work || job.ended || !done, "a job ends when its tasks are done",
            [&] { return job.id + " is still running"; });
  }
}

void Model::CheckForgotten(const Effects& effects) {
  for (const PeerId peer : effects.forget) {
    Require(gone_.erase(peer) == 1, "only peers that are gone are forgotten",
            [&] { return fmt::format("peer {}", peer.value); });
  }
  Require(gone_.empty(), "the broker forgets a peer that is gone",
          [&] { return fmt::format("peer {}", gone_.begin()->value); });
}

std::vector<LeaseId> Model::LeasesOut() const {
  std::vector<LeaseId> leases;
  for (const auto& [id, worker] : workers_) {
    for (const Held& held : worker.held) leases.push_back(held.lease);
  }
  return leases;
}

bool Model::AllJobsEnded() const {
  return std::all_of(jobs_.begin(), jobs_.end(), [](const Job& job) { return job.ended; });
}

std::string Model::Explain() const {
  std::string text;
  for (size_t j = 0; j < jobs_.size(); ++j) {
    const Job& job = jobs_[j];
    if (job.ended) continue;
    text += "job " + job.id + (job.spec.serial ? ", serial" : "") + "\n";
    for (size_t t = 0; t < job.tasks.size(); ++t) {
      const BlockCounts& c = job.tasks[t].counts;
      const TaskSpec& spec = job.spec.tasks[t];
      text += fmt::format(
          "  task {}: {} blocks, {} pending, {} ready, {} leased, {} completed, {} failed, {} "
          "orphaned; {} places{}\n",
          spec.task_id, c.blocks, c.pending, c.ready, c.leased, c.completed, c.failed, c.orphaned,
          spec.num_workers(), spec.external_workers ? " and external workers" : "");
      for (const auto& [id, worker] : workers_) {
        if (worker.job != j || worker.task != t) continue;
        text += fmt::format("    {} {}{}{}{}{}{} wants {} holds {}\n", DutyName(worker.duty),
                            id.value, worker.launched ? " launched" : " external",
                            worker.peer.set() ? " connected" : " not connected",
                            worker.leaving ? " leaving" : "", worker.lost ? " timed out" : "",
                            worker.stop_asked ? " to be stopped" : "", worker.credit,
                            worker.held.size());
      }
    }
  }
  return text;
}

}  // namespace bellis::sim
