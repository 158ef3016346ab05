// How the processes of launched workers end, and who is replaced.
//
// Crashes are counted per group: a group whose workers keep crashing is given up, and its task goes
// on with the other groups (SEMANTICS "Workers").

#include "broker/core/exits.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <utility>

#include "broker/schedule/mutation.h"

namespace bellis {

namespace {

std::string DescribeExit(const ExitedMsg& exited) {
  if (!exited.start_error.empty()) return exited.start_error;
  if (exited.signal == 0) return fmt::format("exited with code {}", exited.exit_code);
  const char* name = sigabbrev_np(exited.signal);
  return fmt::format("was ended by signal {} (SIG{})", exited.signal, name ? name : "?");
}

/// How a process ended before its hello, in a form in which two ends of the same cause look alike.
struct EndLook {
  std::string look;  // empty: says nothing about the program (killed for memory, say)
  uint32_t enough;   // after this many in a row, the next would surely end alike
};

/// The look is the last line that the process printed, without numbers (pids, times, addresses), or
/// the exit code of a process that printed nothing.
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

void Exits::OnExited(PeerId peer, const ExitedMsg& exited) {
  Worker* worker = roster_.Find(exited.worker);
  if (worker == nullptr ||
      (worker->launcher != peers_.Find(peer)->launcher && !Mutated(Mutation::kForeignExit))) {
    turn_.Log(LogLevel::kInfo,
              fmt::format("exit of unknown worker {} ignored", exited.worker.value));
    return;
  }
  WorkerExited(*worker, exited);
}

void Exits::WorkerExited(Worker& worker, const ExitedMsg& exited) {
  Job& job = *worker.job;
  const TaskIndex t = worker.task;
  worker.left_holding |= !worker.held.empty();
  for (const WorkerId id : worker.further) worker.left_holding |= !roster_.At(id).held.empty();
  lost_leases_.EndAll(worker, "worker " + DescribeExit(exited) + " while it held the block",
                      exited.working);
  for (const WorkerId id : std::set<WorkerId>(worker.further)) Remove(roster_.At(id));
  const Worker gone = worker;
  Remove(worker);
  jobs_.Touch(job, t);
  if (job.running() && !job.tasks[t].closed) AfterExit(job, t, gone, exited);
}

/// Whether another worker takes the place of `gone` (SEMANTICS "Workers").
void Exits::AfterExit(Job& job, TaskIndex t, const Worker& gone, const ExitedMsg& exited) {
  TaskRun& task = job.tasks[t];
  const bool well = exited.exit_code == 0 && exited.signal == 0 && exited.start_error.empty();
  switch (gone.end_counts) {
    case EndCounts::kReplaced: ++task.restarts; return;
    case EndCounts::kDismissed: return;
    case EndCounts::kUnheard: break;
    case EndCounts::kByItself:
      if (!well || gone.left_holding) break;
      if (!Mutated(Mutation::kRetiredReplaced)) ++task.pool(gone.duty).groups[gone.group].retired;
      return;
  }
  if (roster_.FaultOf(gone) == Fault::kNotItsOwn) {
    ++task.restarts;
    return;
  }
  std::string how = DescribeExit(exited);
  if (!exited.start_error.empty()) how.insert(0, "could not be started: ");
  if (gone.end_counts == EndCounts::kUnheard) {
    how = fmt::format("did not say hello within {:g} s", options_.hello_wait.seconds());
  }
  Crashed(job, t, gone, how, exited);
}

/// A worker ended before it said hello. Returns whether enough workers, each launched after the end
/// of the one before, have ended in the same way, so that no other need be tried.
bool Exits::EndsTheSame(GroupRun& group, const Worker& gone, const ExitedMsg& exited) const {
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

/// The group starts another worker after a pause. It is given up instead after too many crashes, or
/// when none of its workers ever said hello and all end in the same way.
void Exits::Crashed(Job& job, TaskIndex t, const Worker& gone, const std::string& how,
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
  if (gone.expected() && !group.greeted && EndsTheSame(group, gone, exited)) {
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

/// Starts no other process of the worker's group. Running processes of the group go on.
void Exits::GiveUpGroup(Job& job, TaskIndex t, const Worker& worker, std::string error) {
  const auto groups = GroupsOf(job.spec.tasks[t], worker.duty);
  std::string which = worker.duty == Duty::kWork ? "worker" : "checker";
  if (groups.size() > 1) {
    std::string command;
    if (worker.group < groups.size())
      command = fmt::format("{}", fmt::join(groups[worker.group].command, " "));
    which = fmt::format("workers[{}] ({})", worker.group, command);
  }
  const GroupRun& group = job.tasks[t].pool(worker.duty).groups[worker.group];
  const bool all_there_is = groups.size() == 1 && group.active == 0;  // else a later message says
                                                                      // so
  turn_.Log(all_there_is ? LogLevel::kInfo : LogLevel::kWarning,
            fmt::format("task {} starts no other {}: {}", job.spec.tasks[t].task_id, which,
                        FirstLine(error)));
  if (groups.size() > 1) error = which + ": " + error;
  job.tasks[t].pool(worker.duty).groups[worker.group].error = std::move(error);
}

void Exits::Remove(Worker& worker) {
  for (const WorkerId id : std::exchange(worker.further, {}))
    roster_.BecomeExternal(roster_.At(id));
  if (worker.peer.set()) {
    peers_.Unbind(worker.peer);
    roster_.Disconnect(worker);
  }
  lost_leases_.End(worker, "worker lost");
  claims_.EndRecovering(worker);
  for (const auto& [number, task] : budget_.GiveBack(&worker.resources)) {
    Job* waiting = jobs_.Find(number);
    if (waiting != nullptr && waiting->running()) jobs_.Touch(*waiting, task);
  }
  roster_.Erase(worker);
}

}  // namespace bellis
