// How workers end, who is replaced, and when a task is given up.
//
// Failures count per group of processes: a group that does not get going is given up by itself, and
// its task goes on with the others. The task is given up when nobody is left, and nobody may be
// started (SEMANTICS "Workers").

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstring>
#include <utility>

#include "broker/core/broker_core.h"
#include "broker/schedule/mutation.h"

namespace bellis {
namespace {

std::string DescribeExit(const ExitedMsg& exited) {
  if (!exited.start_error.empty()) return exited.start_error;
  if (exited.signal == 0) return fmt::format("exited with code {}", exited.exit_code);
  const char* name = sigabbrev_np(exited.signal);
  return fmt::format("was ended by signal {} (SIG{})", exited.signal, name ? name : "?");
}

/// What an end before the hello has in common with another of the same cause.
struct EndLook {
  std::string look;  // empty: it says nothing of the program (a kill by the system's memory, say)
  uint32_t enough;   // so many, one after the other, and the next would end like that, too
};

/// By the last line that was said, without its numbers (pids, times, addresses); of a program that
/// says nothing, by its exit code.
EndLook LookOf(const ExitedMsg& exited) {
  std::string text = exited.start_error.empty() ? exited.stderr_tail : exited.start_error;
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) {
    text.pop_back();
  }
  text.erase(0, text.rfind('\n') + 1);  // npos + 1 is 0
  std::erase_if(text, [](unsigned char c) { return std::isdigit(c) != 0; });
  if (text.empty() && exited.signal != 0) return {};
  return {fmt::format("{} {} {}", exited.exit_code, exited.signal, text), text.empty() ? 3U : 2U};
}

std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

void BrokerCore::OnExited(PeerId peer, const ExitedMsg& exited) {
  Worker* worker = Find(exited.worker);
  if (worker == nullptr ||
      (worker->launcher != peers_.at(peer).launcher && !Mutated(Mutation::kForeignExit))) {
    turn_.Log(LogLevel::kInfo,
              fmt::format("exit of unknown worker {} ignored", exited.worker.value));
    return;
  }
  WorkerExited(*worker, exited);
}

void BrokerCore::WorkerExited(Worker& worker, const ExitedMsg& exited) {
  Job& job = *worker.job;
  const TaskIndex t = worker.task;
  bool held = worker.left_holding || !worker.held.empty();
  for (const WorkerId id : worker.further) held |= !Find(id)->held.empty();
  ReturnAll(worker, "worker " + DescribeExit(exited) + " while it held the block", exited.working);
  for (const WorkerId id : std::set<WorkerId>(worker.further)) Remove(id);
  --PoolOf(worker).groups[worker.group].active;
  const Worker gone = worker;
  Remove(gone.id);
  job.Touch(t);
  jobs_.Queue(job);
  if (job.running() && !job.tasks[t].closed) AfterExit(job, t, gone, held, exited);
}

/// Whether another worker takes its place (SEMANTICS "Workers"). `held`: a block, when it ended.
void BrokerCore::AfterExit(Job& job, TaskIndex t, const Worker& gone, bool held,
                           const ExitedMsg& exited) {
  TaskRun& task = job.tasks[t];
  if (gone.exit_expected && !gone.overdue) {
    if (!gone.dismissed) ++task.restarts;
    return;
  }
  const bool well = exited.exit_code == 0 && exited.signal == 0 && exited.start_error.empty();
  if (well && !held && !gone.overdue) {
    if (!Mutated(Mutation::kRetiredReplaced)) ++task.pool(gone.duty).groups[gone.group].retired;
    return;
  }
  if (IsExcused(gone)) {
    ++task.restarts;
    return;
  }
  Crashed(job, t, gone,
          gone.overdue
              ? fmt::format("did not say hello within {:g} s", options_.hello_wait.seconds())
              : (exited.start_error.empty() ? "" : "could not be started: ") + DescribeExit(exited),
          exited);
}

/// Whether its end is the broker's doing, or its launcher's: it has heartbeats, and was not heard
/// of since the broker stood still or was started; a worker that lives is, within a quarter of a
/// lease.
bool BrokerCore::IsExcused(const Worker& worker) const {
  if (worker.orphaned) return true;
  return worker.heartbeat_ms > 0 && worker.id <= excused_ &&
         worker.heard < excused_from_ + Duration{options_.lease.ns / 4};
}

/// A worker ended before it said hello, as one that was launched before it did: whether that were
/// enough of them, so that no other need be tried.
bool BrokerCore::EndsTheSame(GroupRun& group, const Worker& gone, const ExitedMsg& exited) const {
  const EndLook end = LookOf(exited);
  if (end.look.empty()) return false;
  if (end.look != group.same_end) {
    group.same_end = end.look;
    group.same_ends = 0;
  } else if (gone.id <= group.same_until) {
    return false;
  }
  group.same_until = durable_.last_worker();
  return ++group.same_ends >= end.enough;
}

/// Its group starts another one after a pause, unless that was one too many, or nobody of it ever
/// said hello and they end in the same way.
void BrokerCore::Crashed(Job& job, TaskIndex t, const Worker& gone, const std::string& how,
                         const ExitedMsg& exited) {
  TaskRun& task = job.tasks[t];
  const TaskSpec& spec = job.spec.tasks[t];
  GroupRun& group = task.pool(gone.duty).groups[gone.group];
  ++group.crashes;
  turn_.Log(LogLevel::kWarning,
            fmt::format("worker {} of task {} {}", gone.id.value, spec.task_id, how));
  if (!group.error.empty()) return;
  const std::string last = fmt::format(
      "; the last, worker {}, {}{}{}", gone.id.value, how,
      exited.stderr_tail.empty() ? "" : "; the end of its stderr:\n", exited.stderr_tail);
  if (gone.starting && !group.greeted && EndsTheSame(group, gone, exited)) {
    const bool silent = exited.start_error.empty() && exited.stderr_tail.empty();
    return GiveUpGroup(job, t, gone,
                       fmt::format("{} workers ended before they said hello, {}{}", group.crashes,
                                   silent ? "all without a word" : "with the same words", last));
  }
  if (group.crashes > spec.max_worker_restarts) {
    return GiveUpGroup(
        job, t, gone,
        fmt::format("{} workers in a row ended without completing a block{}", group.crashes, last));
  }
  ++task.restarts;
  Duration wait = options_.backoff_first;
  for (uint32_t i = 1; i < group.crashes && wait < options_.backoff_max; ++i) wait.ns *= 2;
  group.launch_at = turn_.now() + std::min(wait, options_.backoff_max);
}

/// No other process of that worker's group is started. What runs of it goes on.
void BrokerCore::GiveUpGroup(Job& job, TaskIndex t, const Worker& worker, std::string error) {
  const auto groups = GroupsOf(job.spec.tasks[t], worker.duty);
  std::string which = worker.duty == Duty::kWork ? "worker" : "checker";
  if (groups.size() > 1) {
    std::string command;
    if (worker.group < groups.size())
      command = fmt::format("{}", fmt::join(groups[worker.group].command, " "));
    which = fmt::format("workers[{}] ({})", worker.group, command);
  }
  const GroupRun& group = job.tasks[t].pool(worker.duty).groups[worker.group];
  const bool all_there_is = groups.size() == 1 && group.active == 0;  // else that is said later
  turn_.Log(all_there_is ? LogLevel::kInfo : LogLevel::kWarning,
            fmt::format("task {} starts no other {}: {}", job.spec.tasks[t].task_id, which,
                        FirstLine(error)));
  if (groups.size() > 1) error = which + ": " + error;
  job.tasks[t].pool(worker.duty).groups[worker.group].error = std::move(error);
}

/// It has completed a block: its group does not crash for ever. One that was given up for that may
/// start others again.
void BrokerCore::Succeeded(const Worker& worker) {
  if (!worker.launched) return;
  GroupRun& group = worker.job->tasks[worker.task].pool(worker.duty).groups[worker.group];
  group.crashes = 0;
  if (group.error.empty()) return;
  group.error.clear();
  worker.job->Touch(worker.task);
}

/// The outcome of a try says something of its worker.
void BrokerCore::CountTry(Worker& worker, bool failed) {
  TaskRun& task = worker.job->tasks[worker.task];
  ++worker.tries;
  ++task.tries;
  if (!failed) {
    worker.failures_in_a_row = 0;
    return;
  }
  ++worker.failures_in_a_row;
  ++worker.failures;
  ++task.tries_failed;
}

/// Whether it has failed one block after the other, and that is not how the task's blocks are: had
/// it failed as often as the other workers, this would be one in a thousand.
bool BrokerCore::FailsMoreThanOthers(const Worker& worker) const {
  constexpr uint64_t kTriesThatTell = 8;
  constexpr double kChance = 1e-3;
  if (worker.failures_in_a_row <= options_.worker_failures_max) return false;
  const TaskRun& task = worker.job->tasks[worker.task];
  const uint64_t others = task.tries - worker.tries;
  if (others < kTriesThatTell) return true;
  const auto failed = static_cast<double>(task.tries_failed - worker.failures);
  return std::pow(failed / static_cast<double>(others), worker.failures_in_a_row) < kChance;
}

void BrokerCore::BlockTimedOut(Worker& worker) {
  const std::string reason =
      fmt::format("timeout after {:g} s", worker.job->spec.tasks[worker.task].timeout.seconds());
  worker.exit_expected = true;
  Worker& place = PlaceOf(worker);
  if (place.launched) {
    // The block is free again when the process is surely gone.
    if (Mutated(Mutation::kFreedTooEarly)) ReturnLeases(worker, reason, FirstOf(worker), false);
    worker.loss_reason = reason;
    StopGiving(place);
    for (const WorkerId id : place.further) StopGiving(*Find(id));
    StopProcess(place);
    return;
  }
  Leave(worker, reason, false);
  // With heartbeats: its pings are not answered any more, its lease ends, and so does its process.
  worker.loss_reason = reason;
  if (worker.heartbeat_ms == 0) WorkerLost(worker, reason);
}

/// It runs, but says nothing: waited for no longer, so that its place is free.
void BrokerCore::HelloOverdue(Worker& worker) {
  turn_.Log(
      LogLevel::kWarning,
      fmt::format("worker {} of task {} has not said hello for {:g} s: stopped", worker.id.value,
                  worker.job->spec.tasks[worker.task].task_id, options_.hello_wait.seconds()));
  StopGiving(worker);
  worker.overdue = true;
  StopProcess(worker);
}

/// SEMANTICS "Every run ends": ready blocks, and nobody who could ever take them. To be asked
/// before anything is handed out or started.
bool BrokerCore::GiveUpIfStuck(Job& job, TaskIndex t) {
  if (job.tasks[t].closed || job.spec.tasks[t].paused) return false;
  for (const Duty duty : kAllDuties) {
    // A ready block will need its post_check as well.
    const bool later = duty == Duty::kPostCheck && job.spec.tasks[t].post_check.has_value() &&
                       job.counts(t).ready > 0;
    if (!Needed(job, t, duty) && !later) continue;
    if (Permitted(job, t, duty) > 0 || StartAgain(job, t, duty)) continue;
    if (!Deserted(job, t, duty)) continue;
    AbandonTask(job, t, StuckBecause(job, t, duty));
    return true;
  }
  return false;
}

/// All that were started have left, and nobody goes on. Those that left with code 0 are started
/// again, if a block was completed since the last time: so they do not do so for ever.
bool BrokerCore::StartAgain(Job& job, TaskIndex t, Duty duty) {
  Pool& pool = job.tasks[t].pool(duty);
  if (!pool.progress || (pool.live > 0 && !Deserted(job, t, duty))) return false;
  uint64_t again = 0;
  for (GroupRun& group : pool.groups) {
    const uint64_t left = std::exchange(group.retired, 0);
    if (group.error.empty()) again += left;
  }
  if (again == 0) return false;
  pool.progress = false;
  job.tasks[t].restarts += std::min(again, job.counts(t).unfinished());
  turn_.Log(LogLevel::kInfo,
            fmt::format("the {} of task {} have left with blocks open: started again",
                        duty == Duty::kWork ? "workers" : "checkers", job.spec.tasks[t].task_id));
  return true;
}

/// Why no process of that duty is started, group by group.
std::string BrokerCore::StuckBecause(const Job& job, TaskIndex t, Duty duty) {
  std::string because;
  uint64_t retired = 0;
  bool greeted = false;
  for (const GroupRun& group : job.tasks[t].pool(duty).groups) {
    retired += group.retired;
    greeted |= group.greeted;
    if (group.error.empty()) continue;
    because += (because.empty() ? "" : "\n") + group.error;
  }
  if (retired == 0 && !because.empty()) return because;
  return fmt::format("its {} ({}) exited with code 0 while {} blocks were left{}{}{}",
                     duty == Duty::kWork ? "workers" : "checkers", retired,
                     job.counts(t).unfinished(),
                     greeted ? ""
                             : "; none of them had connected (a command that starts a worker "
                               "elsewhere has to wait for its end)",
                     because.empty() ? "" : "; ", because);
}

/// Whether nobody of that duty does anything or can be expected to. Outside workers that are there
/// but hold and want nothing may be about to ask: for that they have a while. (One may also have
/// vanished without a word; nothing is sent to it, so nobody would notice.)
bool BrokerCore::Deserted(Job& job, TaskIndex t, Duty duty) {
  Pool& pool = job.tasks[t].pool(duty);
  if (job.spec.tasks[t].external_workers) return false;
  if (Active(pool) > 0 || Engaged(job, t, duty)) {
    pool.idle_since = Instant::Never();
    return false;
  }
  if (pool.slots.taken() == 0) return true;
  if (pool.idle_since == Instant::Never()) pool.idle_since = turn_.now();
  const Instant limit = pool.idle_since + options_.idle_wait;
  if (turn_.now() < limit) SetTimer(job, t, limit);
  return turn_.now() >= limit;
}

/// Whether somebody of that duty holds a block, may hold one, or waits for one.
bool BrokerCore::Engaged(Job& job, TaskIndex t, Duty duty) {
  TaskRun& task = job.tasks[t];
  if (task.recovering > 0 || FirstParked(task.pool(duty)) != nullptr) return true;
  switch (duty) {
    case Duty::kWork: return job.counts(t).leased > task.unconfirmed.size();
    case Duty::kCheck: return task.checking > 0;
    case Duty::kPostCheck: return task.unconfirmed.size() > task.to_confirm.size();
  }
  return false;
}

}  // namespace bellis
