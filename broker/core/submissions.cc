// Handles submits. A schedule with large masks would take too long to build inside a Step, so it is
// built in another thread (Effects::builds). The request waits, and is handled from the start when
// the schedule is there, because the state of the broker may have changed.

#include "broker/core/submissions.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/core/requests.h"
#include "broker/schedule/mutation.h"
#include "broker/schedule/schedule_build.h"
#include "common/task/pipeline.h"
#include "common/task/run_name.h"

namespace bellis {

void Submissions::OnSubmit(PeerId peer, SubmitMsg submit, Graph graph) {
  if (turn_.stopping())
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
  AnswerWhenDurable(turn_, durable_, peers_, peer,
                    SubmittedMsg{submit.req, job->id, false, 0, job->spec.origin.run});
  jobs_.Add(std::move(job));
}

/// Makes the schedule of a job, either new or from its progress. Unchanged on failure.
Status Submissions::Schedule(Job& job, const std::vector<TaskProgress>* progress, Graph graph) {
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

bool Submissions::IsBuiltElsewhere(const JobSpec& spec) const {
  return MaskWork(spec) > options_.build_work_inline_max;
}

/// Handles the peer's request `asked` when the schedule of `spec` is built.
void Submissions::BuildElsewhere(PeerId peer, uint64_t req, std::shared_ptr<JobSpec> spec,
                                 std::variant<SubmitMsg, RetryFailedMsg> asked) {
  const auto same = std::count_if(builds_.begin(), builds_.end(),
                                  [peer](const auto& entry) { return entry.second.peer == peer; });
  if (same > 0 || builds_.size() >= options_.builds_max) {
    return turn_.Refuse(
        peer, ErrorCode::kLimit,
        fmt::format("{} jobs are waiting for their masks to be read, {} of this client; "
                    "at most {} and 1: send it again when they are done",
                    builds_.size(), same, options_.builds_max),
        req);
  }
  const uint64_t id = ++last_build_;
  turn_.out().builds.push_back({id, spec, options_.job_memory_max});
  builds_.emplace(id, Building{peer, req, std::move(spec), std::move(asked)});
}

void Submissions::OnBuilt(Built built) {
  auto entry = builds_.extract(built.id);
  if (entry.empty()) return;
  Building& building = entry.mapped();
  if (!built.graph.ok()) {
    return turn_.Refuse(building.peer, built.graph.error().code, built.graph.error().message,
                        building.req);
  }
  if (auto* submit = std::get_if<SubmitMsg>(&building.asked)) {
    submit->spec = std::move(*building.spec);
    return OnSubmit(building.peer, std::move(*submit), *built.graph);
  }
  OnRetryFailed(building.peer, std::get<RetryFailedMsg>(building.asked), *built.graph);
}

}  // namespace bellis
