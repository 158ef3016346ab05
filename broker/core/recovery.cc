// Continues where the earlier broker stopped.

#include "broker/core/recovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/schedule/mutation.h"

namespace bellis {

void Recovery::OnTakeOver(TakeOver taken) {
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
      const Status made = submissions_.Schedule(*job, &taken.progress.at(job->number));
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
  roster_.ExcuseAll();
  for (const Session& session : taken.saved.sessions) TakeUpSession(session);
  if (!taken.saved.sessions.empty()) {
    turn_.Wake({turn_.now() + options_.reconnect_window, TimerKind::kReconnect});
  }
}

/// Adds a worker that the earlier broker knew, and that may hold blocks.
void Recovery::TakeUpSession(const Session& session) {
  Job* job = jobs_.Find(session.job);
  const bool over = job == nullptr || session.task >= job->tasks.size() || !job->running();
  if (over || session.group >=
                  std::max<size_t>(1, job->tasks[session.task].pool(session.duty).groups.size())) {
    durable_.Persist(SessionOver{session.worker});
    return;
  }
  const LauncherId launcher = session.launched ? LauncherOfSession(session.launcher) : LauncherId();
  Worker& worker = roster_.AddRecovered(session, *job, launcher);
  worker.language = session.language;
  worker.session = session.key;
  worker.superseded = session.replaced;
  worker.process = session.process;
  if (worker.numbered_here && worker.session == 0 && !session.process.machine.empty()) {
    roster_.SetSilent(worker);
  }
  TakeUpLease(worker, session);
  if (worker.launched()) {
    worker.reported = true;
    Roster::GroupOf(worker).greeted = true;
    job->tasks[session.task].launched_any = true;
    if (worker.duty == Duty::kWork) worker.resources = budget_.Take(job->spec.tasks[worker.task]);
  } else if (!worker.is_further() && worker.heartbeat_ms == 0 &&
             (!KeepsLeases(worker) || Mutated(Mutation::kSilentGivenUp))) {
    worker.lease_until = turn_.now() + options_.reconnect_window;
    worker.timer_set.lease = true;
    turn_.Wake({worker.lease_until, TimerKind::kLease, worker.id.value});
  }
  if (worker.vacant()) return roster_.Vacate(worker);
  roster_.RenewLease(worker);
  roster_.ArmProbe(worker);
}

/// The broker does not know when a worker with heartbeats pinged last, and the earlier broker may
/// have granted it longer leases. So its lease runs for the longest time that it was told, and what
/// it is told from now on is a promise that must be durable.
void Recovery::TakeUpLease(Worker& worker, const Session& session) {
  worker.heartbeat_ms = session.heartbeat_ms;
  if (session.heartbeat_ms == 0) return;
  worker.lease_ms = std::max(session.lease_ms, static_cast<uint32_t>(options_.lease.millis()));
  worker.lease_until = turn_.now() + Duration::Millis(worker.lease_ms);
  if (Mutated(Mutation::kLeaseForgotten)) worker.lease_until = turn_.now();
  if (worker.lease_ms == session.lease_ms) return;
  Session longer = session;
  longer.lease_ms = worker.lease_ms;
  durable_.Persist(SessionBegun{std::move(longer)});
  durable_.PromiseAll();
}

/// The launcher with that process. A launcher that the table does not have yet is added as away.
LauncherId Recovery::LauncherOfSession(const ProcessRef& process) {
  for (const auto& [id, launcher] : launchers_) {
    if (launcher.process.host == process.host && launcher.process.pid == process.pid) return id;
  }
  Launcher& launcher = launchers_.Add(process);
  launchers_.SetAway(launcher, turn_.now());
  turn_.Wake({turn_.now() + std::max(options_.reconnect_window, options_.launcher_wait),
              TimerKind::kLauncherAway, launcher.id.value});
  if (!process.machine.empty()) {
    turn_.out().probes.push_back({launcher.id, process});
    launcher_links_.ArmProbe(launcher.id);
  }
  return launcher.id;
}

/// The reconnect window is over for workers of an earlier broker. A worker that has said nothing,
/// but whose launcher is here, is stopped: the launcher then reports its end, even if it ended long
/// ago.
void Recovery::ReconnectWindowOver() {
  for (const auto& [id, worker] : roster_.all()) {
    const WorkerId place = roster_.PlaceOf(worker).id;
    if (!worker.recovering || !roster_.At(place).launched()) continue;
    if (launchers_.At(roster_.At(place).launcher).here()) orders_.StopProcess(roster_.At(place));
  }
}

}  // namespace bellis
