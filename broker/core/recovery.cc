// Going on where something stopped: the broker before this one, or an earlier run of a job.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/core/broker_core.h"
#include "broker/core/mutation.h"
#include "broker/core/schedule_build.h"
#include "common/task/layout.h"
#include "common/task/pipeline.h"
#include "common/task/programs.h"

namespace bellis {
namespace {

constexpr size_t kDifferencesTold = 5;

uint64_t CompletedOf(const Job& job) {
  uint64_t blocks = 0;
  for (TaskIndex t = 0; t < job.tasks.size(); ++t) blocks += job.counts(t).completed;
  return blocks;
}

}  // namespace

/// Makes the schedule of a job, new or from where it stopped. Unchanged on failure.
Status BrokerCore::Schedule(Job& job, const std::vector<TaskProgress>* progress, Graph graph) {
  if (const Status fits = FitsTheBudget(job.spec); !fits.ok()) return fits.error();
  if (!graph) {
    auto made = BuildGraph(job.spec, options_.job_memory_max);
    if (!made.ok()) return made.error();
    graph = *std::move(made);
  }
  auto frontier = BuildFrontier(*graph, job.spec, progress);
  if (!frontier.ok()) return frontier.error();
  job.frontier = std::move(*frontier);
  job.graph = std::move(graph);
  job.state = JobState::kRunning;
  job.reason.clear();
  job.final_counts.clear();
  job.levels.clear();
  job.open_tasks = job.spec.tasks.size();
  job.bytes = 0;
  job.tasks.resize(job.spec.tasks.size());
  for (TaskIndex t = 0; t < job.tasks.size(); ++t) {
    job.levels.push_back(job.graph->levels(t).num_levels());
    TaskRun& task = job.tasks[t];
    task.closed = false;
    task.bytes = 0;
    task.error.clear();
    for (const Duty duty : kAllDuties) {
      Pool& pool = task.pool(duty);
      const size_t groups = GroupsOf(job.spec.tasks[t], duty).size();
      pool.groups.resize(std::max(pool.groups.size(), groups));
      for (GroupRun& group : pool.groups) group = GroupRun{.active = group.active};
      pool.next_group = 0;
      pool.progress = false;
    }
    if (progress == nullptr) continue;
    const TaskProgress& earlier = (*progress)[t];
    for (const auto& [block, failed] : earlier.attempts) task.attempts[block].failed = failed;
    task.failures = earlier.failures;
    task.failures_total = earlier.failures_total;
  }
  ++jobs_running_;
  Queue(job);
  return OkStatus();
}

void BrokerCore::OnTakeOver(TakeOver taken) {
  last_lease_ = taken.saved.marks.lease - 1;
  if (Mutated(Mutation::kLeaseIdsRestart)) last_lease_ = 0;
  last_worker_ = taken.saved.marks.worker - 1;
  marks_ = marks_asked_ = taken.saved.marks;
  for (SavedJob& saved : taken.saved.jobs) {
    auto job = std::make_unique<Job>();
    job->number = saved.job;
    job->id = std::move(saved.id);
    job->spec = std::move(saved.spec);
    const JobOrigin& origin = job->spec.origin;
    job->submitted =
        origin.submitted_at == 0 ? now_ : std::min(now_, InstantOf(origin.submitted_at));
    job->ended = origin.ended_at == 0 ? job->submitted
                                      : std::max(job->submitted, InstantOf(origin.ended_at));
    last_job_ = std::max(last_job_, job->number.value);
    if (saved.state == JobState::kRunning) {
      const Status made = Schedule(*job, &taken.progress.at(job->number));
      if (!made.ok()) {
        saved.state = JobState::kFailed;
        saved.reason = "it could not be taken up: " + made.error().message;
        Log(LogLevel::kError, fmt::format("job {}: {}", job->id, saved.reason));
      } else {
        Log(LogLevel::kInfo,
            fmt::format("job {} is taken up with {} completed blocks", job->id, CompletedOf(*job)));
      }
    }
    if (saved.state != JobState::kRunning) {
      job->state = saved.state;
      job->reason = saved.reason;
      job->tasks.resize(job->spec.tasks.size());
      job->levels.resize(job->tasks.size());
      job->final_counts = std::move(saved.counts);
      job->final_counts.resize(job->tasks.size());
      for (TaskRun& task : job->tasks) task.closed = true;
    }
    for (TaskIndex t = 0; t < std::min(job->tasks.size(), saved.languages.size()); ++t) {
      for (LanguageTotal& total : saved.languages[t]) {
        job->tasks[t].languages.push_back(
            {std::move(total.language), total.blocks, static_cast<double>(total.us) / 1000});
      }
    }
    jobs_[job->number] = std::move(job);
  }
  ExcuseWorkers();
  for (const Session& session : taken.saved.sessions) TakeUpSession(session);
  if (!taken.saved.sessions.empty()) {
    timers_.Add({now_ + options_.reconnect_window, TimerKind::kReconnect});
  }
}

/// A worker that the broker before us knew, and that may hold blocks.
void BrokerCore::TakeUpSession(const Session& session) {
  const auto found = jobs_.find(session.job);
  if (found == jobs_.end() || session.task >= found->second->tasks.size() ||
      !found->second->running() ||
      session.group >=
          std::max<size_t>(1,
                           found->second->tasks[session.task].pool(session.duty).groups.size())) {
    Persist(SessionOver{session.worker});
    return;
  }
  Job& job = *found->second;
  Worker& worker = AddWorker(session.worker, job, session.task, session.duty);
  worker.language = session.language;
  worker.session = session.key;
  worker.replaced = session.replaced;
  worker.heartbeat_ms = session.heartbeat_ms;
  if (session.heartbeat_ms > 0) {
    worker.lease_ms = std::max(session.lease_ms, static_cast<uint32_t>(options_.lease.millis()));
    // When it pinged last we do not know; it may have been told to count on longer leases.
    worker.lease_until = now_ + Duration::Millis(worker.lease_ms);
    if (Mutated(Mutation::kLeaseForgotten)) worker.lease_until = now_;
    if (worker.lease_ms > session.lease_ms) {
      Session longer = session;
      longer.lease_ms = worker.lease_ms;
      Persist(SessionBegun{std::move(longer)});
      taken_over_ = records_;
    }
  }
  worker.process = session.process;
  worker.stored = worker.recorded = true;
  worker.vacant = session.vacant;
  worker.numbered_here = !session.launched;
  worker.recovering = !session.vacant && !Mutated(Mutation::kSessionsForgotten);
  if (worker.numbered_here && worker.session == 0 && !session.process.machine.empty()) {
    sessionless_[{session.process.machine, session.process.pid}] = worker.id;
  }
  TaskRun& task = job.tasks[session.task];
  if (worker.recovering) ++task.recovering;
  Pool& pool = PoolOf(worker);
  if (session.launched) {
    worker.launched = true;
    worker.reported = true;
    worker.group = session.group;
    ++pool.groups[session.group].active;
    pool.groups[session.group].greeted = true;
    task.launched_any = true;
    worker.launcher = LauncherOfSession(session.launcher);
    launchers_[worker.launcher].workers.insert(worker.id);
    TakeResources(worker);
  } else if (Worker* starter = Find(session.starter); starter != nullptr && starter->launched) {
    worker.starter = starter->id;
    worker.slot = starter->slot;
    worker.group = starter->group;
    starter->further.insert(worker.id);
  } else if (worker.heartbeat_ms == 0 &&
             (!KeepsLeases(worker) || Mutated(Mutation::kSilentGivenUp))) {
    worker.lease_until = now_ + options_.reconnect_window;
    worker.lease_armed = true;
    timers_.Add({worker.lease_until, TimerKind::kLease, worker.id.value});
  }
  if (!worker.starter.set()) worker.slot = pool.slots.TakeAgain(session.slot);
  if (worker.vacant) return IsVacant(worker);
  RenewLease(worker);
  ArmProbe(worker);
}

/// The launcher with that process; one that is not there yet is away.
LauncherId BrokerCore::LauncherOfSession(const ProcessRef& process) {
  for (const auto& [id, launcher] : launchers_) {
    if (launcher.host == process.host && launcher.pid == process.pid) return id;
  }
  const LauncherId id(++last_launcher_);
  Launcher& launcher = launchers_[id];
  launcher.host = process.host;
  launcher.machine = process.machine;
  launcher.pid = process.pid;
  launcher.away_since = now_;
  timers_.Add({now_ + std::max(options_.reconnect_window, options_.launcher_wait),
               TimerKind::kLauncherAway, id.value});
  if (!process.machine.empty()) {
    out_->probes.push_back({id, process});
    ArmProbe(id);
  }
  return id;
}

/// Those that an earlier broker knew had their time. One whose launcher is there, but that says
/// nothing, is stopped: the launcher reports its end, also when that was long ago.
void BrokerCore::ReconnectWindowOver() {
  for (auto& [id, worker] : workers_) {
    Worker& place = PlaceOf(worker);
    if (!worker.recovering || !place.launched) continue;
    if (launchers_.at(place.launcher).peer.set()) StopProcess(place);
  }
}

Job* BrokerCore::JobNamed(const std::string& name) {
  for (auto it = jobs_.rbegin(); it != jobs_.rend(); ++it) {
    if (it->second->spec.name == name) return it->second.get();
  }
  return nullptr;
}

/// A job of that name is stored. Whether the submit was answered: it goes on with that job, or it
/// is refused.
bool BrokerCore::SubmitAgain(PeerId peer, SubmitMsg& submit, Job& job, Graph graph) {
  if (submit.fresh) {
    if (job.running()) {
      Refuse(peer, ErrorCode::kLimit,
             fmt::format("job {} is running: it can be started over when it has ended", job.id),
             submit.req);
      return true;
    }
    if (job.workers == 0) {
      Persist(JobForgotten{job.number});
      jobs_.erase(job.number);
    }
    return false;
  }
  const auto differences = LayoutDifferences(job.spec, submit.spec);
  if (!differences.empty()) {
    std::string text = fmt::format(
        "job {} is stored with other blocks; start it over (fresh), or give this one another name",
        job.id);
    for (const std::string& difference : differences) text += "\n  " + difference;
    Refuse(peer, ErrorCode::kDifferentLayout, text, submit.req);
    return true;
  }
  if (submit.same_programs && IsByOtherPrograms(peer, submit, job)) return true;
  Environment files = std::move(submit.spec.origin.files);
  submit.spec.origin = job.spec.origin;
  if (!files.empty()) submit.spec.origin.files = std::move(files);
  if (job.running() || job.state == JobState::kCompleted) {
    if (job.running()) TakeNewCommands(job, std::move(submit.spec));
    const SubmittedMsg answer{submit.req, job.id, true, CompletedOf(job)};
    Log(LogLevel::kInfo,
        fmt::format("job {} submitted again: {} blocks are completed", job.id, answer.done));
    WhenDurable(Answer{peer, answer});
    return true;
  }
  Reopen(job, {peer, submit.req, std::move(submit.spec), false, std::move(graph)});
  return true;
}

/// Whether the submit was refused: other programs than these have completed blocks of the job.
bool BrokerCore::IsByOtherPrograms(PeerId peer, const SubmitMsg& submit, const Job& job) {
  const uint64_t done = CompletedOf(job);
  const auto differences = ProgramDifferences(job.spec, submit.spec);
  if (done == 0 || differences.empty()) return false;
  std::string text;
  for (size_t i = 0; i < std::min<size_t>(differences.size(), kDifferencesTold); ++i) {
    text += (i == 0 ? "" : ", ") + differences[i];
  }
  if (differences.size() > kDifferencesTold) {
    text += fmt::format(" and {} more", differences.size() - kDifferencesTold);
  }
  Refuse(peer, ErrorCode::kDifferentPrograms,
         fmt::format("{} differ{} from what completed {} blocks of job {}", text,
                     differences.size() == 1 ? "s" : "", done, job.id),
         submit.req);
  return true;
}

/// The same blocks, but other programs, settings or places: they hold from now on.
void BrokerCore::TakeNewCommands(Job& job, JobSpec spec) {
  if (job.spec == spec) return;
  job.spec = std::move(spec);
  for (TaskIndex t = 0; t < job.tasks.size(); ++t) {
    for (const Duty duty : kAllDuties) {
      Pool& pool = job.tasks[t].pool(duty);
      const size_t groups = GroupsOf(job.spec.tasks[t], duty).size();
      pool.groups.resize(std::max(pool.groups.size(), groups));
      for (GroupRun& group : pool.groups) group = GroupRun{.active = group.active};
      pool.next_group = 0;
    }
    job.Touch(t);
  }
  Queue(job);
  Persist(JobBegun{job.number, job.id, job.spec});
}

/// A job that has ended is to run again; what it has done is asked for.
void BrokerCore::Reopen(Job& job, Reopening reopening) {
  if (reopenings_.contains(job.number)) {
    return Refuse(reopening.peer, ErrorCode::kLimit,
                  fmt::format("job {} is being taken up already", job.id), reopening.req);
  }
  reopenings_.emplace(job.number, std::move(reopening));
  out_->load.push_back(job.number);
}

void BrokerCore::OnLoaded(Loaded loaded) {
  auto entry = reopenings_.extract(loaded.job);
  const auto found = jobs_.find(loaded.job);
  if (entry.empty() || found == jobs_.end()) return;
  Reopening& reopening = entry.mapped();
  Job& job = *found->second;
  if (!loaded.progress) {
    return Refuse(reopening.peer, ErrorCode::kStorage,
                  fmt::format("what job {} has done cannot be read", job.id), reopening.req);
  }
  if (stopping_ || job.running()) {
    return Refuse(reopening.peer, ErrorCode::kShuttingDown, "the broker is about to stop",
                  reopening.req);
  }
  for (TaskProgress& task : *loaded.progress) {
    task.failed.clear();
    task.attempts.clear();
    task.failures.clear();
    task.failures_total = 0;
  }
  if (reopening.spec) job.spec = std::move(*reopening.spec);
  job.spec.origin.ended_at = 0;
  const Status made = Schedule(job, &*loaded.progress, std::move(reopening.graph));
  if (!made.ok()) {
    return Refuse(reopening.peer, made.error().code, made.error().message, reopening.req);
  }
  // Whoever has not left since then may still be at one of its blocks.
  for (TaskRun& task : job.tasks) {
    for (const WorkerId id : task.workers) {
      if (!std::exchange(Find(id)->recovering, true)) ++task.recovering;
    }
  }
  Persist(JobReopened{job.number});
  Persist(JobBegun{job.number, job.id, job.spec});
  uint64_t open_again = 0;
  for (TaskIndex t = 0; t < job.tasks.size(); ++t) open_again += job.counts(t).unfinished();
  Log(LogLevel::kInfo, fmt::format("job {} runs again: {} blocks are completed, {} are open again",
                                   job.id, CompletedOf(job), open_again));
  if (reopening.retry) {
    WhenDurable(Answer{reopening.peer, RetriedMsg{reopening.req, job.id, open_again}});
  } else {
    WhenDurable(
        Answer{reopening.peer, SubmittedMsg{reopening.req, job.id, true, CompletedOf(job)}});
  }
}

/// What has failed is open again. In a job that runs, its schedule is made anew from what is done.
void BrokerCore::OnRetryFailed(PeerId peer, const RetryFailedMsg& retry, Graph graph) {
  Job* job = JobFor(peer, "retry_failed.job", retry.job, retry.req);
  if (job == nullptr) return;
  if (!job->running()) {
    if (!options_.durable) {
      return Refuse(
          peer, ErrorCode::kStorage,
          fmt::format("retry_failed.job is \"{}\": it has ended, and this broker has no state "
                      "directory that would know what is done; submit it again",
                      retry.job),
          retry.req);
    }
    if (!graph && IsBuiltElsewhere(job->spec)) {
      return BuildElsewhere(peer, retry.req, std::make_shared<JobSpec>(job->spec), retry);
    }
    return Reopen(*job, {peer, retry.req, std::nullopt, true, std::move(graph)});
  }
  uint64_t open_again = 0;
  std::vector<TaskProgress> progress(job->tasks.size());
  for (TaskIndex t = 0; t < job->tasks.size(); ++t) {
    open_again += job->counts(t).failed + job->counts(t).orphaned;
    for (const auto& [block, ending] : job->tasks[t].uncommitted) {
      open_again += ending == TaskRun::Ending::kFailed ? 1 : 0;
    }
    progress[t].completed = job->frontier->CompletedRuns(t);
    progress[t].skipped = job->counts(t).skipped;
  }
  auto frontier = Frontier::Resume(job->graph.get(), OrdersOf(job->spec), progress);
  BELLIS_CHECK(frontier.ok(), "a job's own progress fits its grid");
  for (TaskIndex t = 0; t < job->tasks.size(); ++t) {
    const auto in_the_way = ClaimWhatIsOut(*job, t, *frontier);
    if (!in_the_way) continue;
    const BlockGrid& grid = job->graph->grid(t);
    return Refuse(
        peer, ErrorCode::kLimit,
        fmt::format("retry_failed.job is \"{}\": block {}/{} is out, and conflicts with "
                    "one that would run before it; ask again when it is over (pause the "
                    "task, then nothing new is handed out)",
                    job->id, job->spec.tasks[t].task_id, grid.IdOf(grid.PointOf(*in_the_way))),
        retry.req);
  }
  *job->frontier = std::move(*frontier);
  for (TaskIndex t = 0; t < job->tasks.size(); ++t) StartOver(*job, t);
  Persist(JobReopened{job->number});
  Queue(*job);
  WhenDurable(Answer{peer, RetriedMsg{retry.req, job->id, open_again}});
}

/// What is out stays out in `frontier`, made anew. The first block that cannot, if any: it was
/// handed out when a block that it conflicts with had failed (SEMANTICS "failed" is final enough
/// for those that do not depend on it), and that one would run again now.
std::optional<BlockIndex> BrokerCore::ClaimWhatIsOut(const Job& job, TaskIndex t,
                                                     Frontier& frontier) const {
  const TaskRun& task = job.tasks[t];
  std::vector<BlockIndex> out;
  for (const WorkerId id : task.workers) {
    const Worker& worker = workers_.at(id);
    if (worker.duty != Duty::kWork) continue;
    for (const Lease& lease : worker.held) out.push_back(lease.block);
  }
  for (const auto& [block, handed_in] : task.claims) {
    if (handed_in.result) out.push_back(block);
  }
  for (const auto& [block, done] : task.unconfirmed) out.push_back(block);
  for (const auto& [block, ending] : task.uncommitted) {
    if (ending == TaskRun::Ending::kCompleted) out.push_back(block);
  }
  for (const BlockIndex block : out) {
    if (!frontier.Claim({t, block})) return block;
  }
  return std::nullopt;
}

/// The task goes on in a schedule that was made anew.
void BrokerCore::StartOver(Job& job, TaskIndex t) {
  TaskRun& task = job.tasks[t];
  for (const WorkerId id : task.workers) {
    Worker& worker = *Find(id);
    if (worker.duty == Duty::kCheck) worker.held.clear();  // asked again
  }
  // Skipped and failed ones are open again: their check is asked again, or they are tried again.
  std::erase_if(task.uncommitted,
                [](const auto& entry) { return entry.second != TaskRun::Ending::kCompleted; });
  task.checking = 0;
  task.cleared.clear();
  task.held_back.clear();
  task.attempts.clear();
  for (Pool& pool : task.pools) {
    for (GroupRun& group : pool.groups) group = GroupRun{.active = group.active};
  }
  if (task.closed) ++job.open_tasks;
  task.closed = false;
  task.error.clear();
  job.Touch(t);
}

}  // namespace bellis
