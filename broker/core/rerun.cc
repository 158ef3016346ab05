// A known job runs again: it was submitted once more, or its failed blocks are retried.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/core/requests.h"
#include "broker/core/submissions.h"
#include "broker/schedule/mutation.h"
#include "broker/schedule/schedule_build.h"
#include "common/check.h"
#include "common/task/layout.h"
#include "common/task/orders.h"
#include "common/task/programs.h"

namespace bellis {

namespace {

constexpr size_t kDifferencesTold = 5;

}  // namespace

/// A job of that name is stored. Returns whether the submit was answered: the stored job goes on,
/// or the submit is refused.
bool Submissions::SubmitAgain(PeerId peer, SubmitMsg& submit, Job& job, Graph graph) {
  if (submit.fresh) {
    if (job.running()) {
      turn_.Refuse(
          peer, ErrorCode::kLimit,
          fmt::format("job {} is running: it can be started over when it has ended", job.id),
          submit.req);
      return true;
    }
    if (job.workers == 0) {
      durable_.Persist(JobForgotten{job.number});
      jobs_.Erase(job.number);
    }
    return false;
  }
  const auto differences = LayoutDifferences(job.spec, submit.spec);
  if (!differences.empty()) {
    std::string text = fmt::format(
        "job {} is stored with other blocks; start it over (fresh), or give this one another name",
        job.id);
    for (const std::string& difference : differences) text += "\n  " + difference;
    turn_.Refuse(peer, ErrorCode::kDifferentLayout, text, submit.req);
    return true;
  }
  if (submit.same_programs && IsByOtherPrograms(peer, submit, job)) return true;
  Environment files = std::move(submit.spec.origin.files);
  submit.spec.origin = job.spec.origin;
  if (!files.empty()) submit.spec.origin.files = std::move(files);
  if (job.running() || job.state == JobState::kCompleted) {
    if (job.running()) TakeNewCommands(job, std::move(submit.spec));
    const SubmittedMsg answer{submit.req, job.id, true, job.completed(), job.spec.origin.run};
    turn_.Log(LogLevel::kInfo,
              fmt::format("job {} submitted again: {} blocks are completed", job.id, answer.done));
    AnswerWhenDurable(turn_, durable_, peers_, peer, answer);
    return true;
  }
  Reopen(job, {peer, submit.req, std::move(submit.spec), false, std::move(graph)});
  return true;
}

/// Refuses the submit if other programs than these have completed blocks of the job. Returns
/// whether it was refused.
bool Submissions::IsByOtherPrograms(PeerId peer, const SubmitMsg& submit, const Job& job) {
  const uint64_t done = job.completed();
  const auto differences = ProgramDifferences(job.spec, submit.spec);
  if (done == 0 || differences.empty()) return false;
  std::string text;
  for (size_t i = 0; i < std::min<size_t>(differences.size(), kDifferencesTold); ++i) {
    text += (i == 0 ? "" : ", ") + differences[i];
  }
  if (differences.size() > kDifferencesTold) {
    text += fmt::format(" and {} more", differences.size() - kDifferencesTold);
  }
  turn_.Refuse(peer, ErrorCode::kDifferentPrograms,
               fmt::format("{} differ{} from what completed {} blocks of job {}", text,
                           differences.size() == 1 ? "s" : "", done, job.id),
               submit.req);
  return true;
}

/// The new spec has the same blocks, but may have other programs, settings or places. They hold
/// from now on.
void Submissions::TakeNewCommands(Job& job, JobSpec spec) {
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
    for (const WorkerId id : job.tasks[t].workers)
      roster_.NoteUse(roster_.At(id));  // release_idle may be new
    job.Touch(t);
  }
  jobs_.Queue(job);
  durable_.Persist(JobBegun{job.number, job.id, job.spec});
}

/// A job that has ended is to run again: asks the store for its progress.
void Submissions::Reopen(Job& job, Reopening reopening) {
  if (reopenings_.contains(job.number)) {
    return turn_.Refuse(reopening.peer, ErrorCode::kLimit,
                        fmt::format("job {} is being taken up already", job.id), reopening.req);
  }
  reopenings_.emplace(job.number, std::move(reopening));
  turn_.out().load.push_back(job.number);
}

void Submissions::OnLoaded(Loaded loaded) {
  auto entry = reopenings_.extract(loaded.job);
  Job* found = jobs_.Find(loaded.job);
  if (entry.empty() || found == nullptr) return;
  Reopening& reopening = entry.mapped();
  Job& job = *found;
  if (!loaded.progress) {
    return turn_.Refuse(reopening.peer, ErrorCode::kStorage,
                        fmt::format("what job {} has done cannot be read", job.id), reopening.req);
  }
  if (turn_.stopping() || job.running()) {
    return turn_.Refuse(reopening.peer, ErrorCode::kShuttingDown, "the broker is about to stop",
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
    return turn_.Refuse(reopening.peer, made.error().code, made.error().message, reopening.req);
  }
  // A worker that has not left since the job ended may still work on one of its blocks.
  for (TaskRun& task : job.tasks) {
    for (const WorkerId id : task.workers) {
      roster_.AwaitReport(roster_.At(id));
    }
  }
  durable_.Persist(JobReopened{job.number});
  durable_.Persist(JobBegun{job.number, job.id, job.spec});
  uint64_t open_again = 0;
  for (TaskIndex t = 0; t < job.tasks.size(); ++t) open_again += job.counts(t).unfinished();
  turn_.Log(LogLevel::kInfo,
            fmt::format("job {} runs again: {} blocks are completed, {} are open again", job.id,
                        job.completed(), open_again));
  if (reopening.retry) {
    AnswerWhenDurable(turn_, durable_, peers_, reopening.peer,
                      RetriedMsg{reopening.req, job.id, open_again});
  } else {
    AnswerWhenDurable(
        turn_, durable_, peers_, reopening.peer,
        SubmittedMsg{reopening.req, job.id, true, job.completed(), job.spec.origin.run});
  }
}

/// Opens failed blocks again. The schedule of a running job is rebuilt from its completed blocks.
void Submissions::OnRetryFailed(PeerId peer, const RetryFailedMsg& retry, Graph graph) {
  Job* job = JobFor(turn_, jobs_, peer, "retry_failed.job", retry.job, retry.req);
  if (job == nullptr) return;
  if (!job->running()) {
    if (!durable_.kept()) {
      return turn_.Refuse(
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
      open_again += ending == Ending::kFailed ? 1 : 0;
    }
    progress[t].completed = job->frontier->CompletedRuns(t);
    progress[t].skipped = job->counts(t).skipped;
  }
  auto frontier = Frontier::Resume(job->graph.get(), OrdersOf(job->spec), progress);
  BELLIS_CHECK(frontier.ok(), "a job's own progress fits its grid");
  for (TaskIndex t = 0; t < job->tasks.size(); ++t) {
    const auto in_the_way = claims_.ClaimWhatIsOut(*job, t, *frontier);
    if (!in_the_way) continue;
    const BlockGrid& grid = job->graph->grid(t);
    return turn_.Refuse(
        peer, ErrorCode::kLimit,
        fmt::format("retry_failed.job is \"{}\": block {}/{} is out, and conflicts with "
                    "one that would run before it; ask again when it is over (pause the "
                    "task, then nothing new is handed out)",
                    job->id, job->spec.tasks[t].task_id, grid.IdOf(grid.PointOf(*in_the_way))),
        retry.req);
  }
  *job->frontier = std::move(*frontier);
  for (TaskIndex t = 0; t < job->tasks.size(); ++t) StartOver(*job, t);
  durable_.Persist(JobReopened{job->number});
  jobs_.Queue(*job);
  AnswerWhenDurable(turn_, durable_, peers_, peer, RetriedMsg{retry.req, job->id, open_again});
}

/// The task goes on in the rebuilt schedule.
void Submissions::StartOver(Job& job, TaskIndex t) {
  TaskRun& task = job.tasks[t];
  for (const WorkerId id : task.workers) {
    Worker& worker = roster_.At(id);
    if (worker.duty == Duty::kCheck) worker.held.clear();  // asked again
    roster_.NoteUse(worker);
  }
  // Skipped blocks are checked again, and failed blocks are tried again.
  task.uncommitted.RemoveIf([](Ending ending) { return ending != Ending::kCompleted; });
  task.checking = 0;
  task.cleared.clear();
  task.held_back.clear();
  for (auto& apart : task.apart) apart.clear();
  task.attempts.clear();
  task.failures_counted = task.failures_in_a_row = 0;
  task.slowed.clear();
  for (Pool& pool : task.pools) {
    for (GroupRun& group : pool.groups) group = GroupRun{.active = group.active};
  }
  if (!task.error.empty()) {  // a worker that has not left since may still work on one of its
                              // blocks
    for (const WorkerId id : task.workers) {
      roster_.AwaitReport(roster_.At(id));
    }
  }
  if (task.closed) ++job.open_tasks;
  task.closed = false;
  task.error.clear();
  job.Touch(t);
}

}  // namespace bellis
