// Going on where the broker before this one stopped.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/core/broker_core.h"
#include "broker/schedule/mutation.h"
#include "broker/schedule/schedule_build.h"
#include "common/task/pipeline.h"

namespace bellis {
/// Makes the schedule of a job, new or from where it stopped. Unchanged on failure.
Status BrokerCore::Schedule(Job& job, const std::vector<TaskProgress>* progress, Graph graph) {
  if (const Status fits = budget_.Fits(job.spec); !fits.ok()) return fits.error();
  if (!graph) {
    auto made = BuildGraph(job.spec, options_.job_memory_max);
    if (!made.ok()) return made.error();
    graph = *std::move(made);
  }
  auto frontier = BuildFrontier(*graph, job.spec, progress);
  if (!frontier.ok()) return frontier.error();
  if (const Status room = CheckRoomBeside(job.spec); !room.ok()) return room.error();
  job.frontier = std::move(*frontier);
  job.graph = std::move(graph);
  jobs_.Begin(job);
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
    task.failures_counted = task.failures_in_a_row = 0;
    task.slowed.clear();
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
    task.failures_total = task.failures_counted = earlier.failures_total;
  }
  if (!job.id.empty()) turn_.out().jobs_begun.push_back(job.id);
  jobs_.Queue(job);
  return OkStatus();
}

void BrokerCore::OnTakeOver(TakeOver taken) {
  durable_.TakeOver(taken.saved.marks);
  for (SavedJob& saved : taken.saved.jobs) {
    auto job = std::make_unique<Job>();
    job->number = saved.job;
    job->id = std::move(saved.id);
    job->spec = std::move(saved.spec);
    const JobOrigin& origin = job->spec.origin;
    job->submitted =
        origin.submitted_at == 0
            ? turn_.now()
            : std::min(turn_.now(), turn_.clock().FromUnixSeconds(origin.submitted_at));
    job->ended = origin.ended_at == 0
                     ? job->submitted
                     : std::max(job->submitted, turn_.clock().FromUnixSeconds(origin.ended_at));
    if (saved.state == JobState::kRunning) {
      const Status made = Schedule(*job, &taken.progress.at(job->number));
      if (!made.ok()) {
        saved.state = JobState::kFailed;
        saved.reason = "it could not be taken up: " + made.error().message;
        turn_.Log(LogLevel::kError, fmt::format("job {}: {}", job->id, saved.reason));
      } else {
        turn_.Log(LogLevel::kInfo, fmt::format("job {} is taken up with {} completed blocks",
                                               job->id, job->completed()));
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
    jobs_.Add(std::move(job));
  }
  ExcuseWorkers();
  for (const Session& session : taken.saved.sessions) TakeUpSession(session);
  if (!taken.saved.sessions.empty()) {
    turn_.Wake({turn_.now() + options_.reconnect_window, TimerKind::kReconnect});
  }
}

/// A worker that the broker before us knew, and that may hold blocks.
void BrokerCore::TakeUpSession(const Session& session) {
  Job* found = jobs_.Find(session.job);
  if (found == nullptr || session.task >= found->tasks.size() || !found->running() ||
      session.group >=
          std::max<size_t>(1, found->tasks[session.task].pool(session.duty).groups.size())) {
    durable_.Persist(SessionOver{session.worker});
    return;
  }
  Job& job = *found;
  Worker& worker = AddWorker(session.worker, job, session.task, session.duty);
  worker.language = session.language;
  worker.session = session.key;
  worker.replaced = session.replaced;
  worker.heartbeat_ms = session.heartbeat_ms;
  if (session.heartbeat_ms > 0) {
    worker.lease_ms = std::max(session.lease_ms, static_cast<uint32_t>(options_.lease.millis()));
    // When it pinged last we do not know; it may have been told to count on longer leases.
    worker.lease_until = turn_.now() + Duration::Millis(worker.lease_ms);
    if (Mutated(Mutation::kLeaseForgotten)) worker.lease_until = turn_.now();
    if (worker.lease_ms > session.lease_ms) {
      Session longer = session;
      longer.lease_ms = worker.lease_ms;
      durable_.Persist(SessionBegun{std::move(longer)});
      durable_.PromiseAll();
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
    if (worker.duty == Duty::kWork) worker.resources = budget_.Take(job.spec.tasks[worker.task]);
  } else if (Worker* starter = Find(session.starter); starter != nullptr && starter->launched) {
    worker.starter = starter->id;
    worker.slot = starter->slot;
    worker.group = starter->group;
    starter->further.insert(worker.id);
  } else if (worker.heartbeat_ms == 0 &&
             (!KeepsLeases(worker) || Mutated(Mutation::kSilentGivenUp))) {
    worker.lease_until = turn_.now() + options_.reconnect_window;
    worker.lease_armed = true;
    turn_.Wake({worker.lease_until, TimerKind::kLease, worker.id.value});
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
  launcher.away_since = turn_.now();
  turn_.Wake({turn_.now() + std::max(options_.reconnect_window, options_.launcher_wait),
              TimerKind::kLauncherAway, id.value});
  if (!process.machine.empty()) {
    turn_.out().probes.push_back({id, process});
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

}  // namespace bellis
