// Changes that users make to a running job: pause, resume, the number of workers.
//
// Each is a change of the job's spec. The changed spec is kept on disk, so that it holds after a
// restart.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/core/clients.h"
#include "broker/core/requests.h"
#include "broker/schedule/mutation.h"
#include "common/task/pipeline.h"

namespace bellis {

/// The running job that a request names, and the tasks that it names ("" means all). Refuses the
/// request, and returns nullptr, if there are none. `what`: the request, such as "pause".
Job* Clients::JobToSteer(PeerId peer, const std::string& what, const std::string& id,
                         const std::string& task, uint64_t req, std::vector<TaskIndex>* tasks) {
  Job* job = JobFor(turn_, jobs_, peer, what + ".job", id, req);
  if (job == nullptr) return nullptr;
  if (!job->running()) {
    turn_.Refuse(peer, ErrorCode::kUnknownJob,
                 fmt::format("{}.job is \"{}\": this job has ended", what, id), req);
    return nullptr;
  }
  for (TaskIndex t = 0; t < job->tasks.size(); ++t) {
    if (task.empty() || job->spec.tasks[t].task_id == task) tasks->push_back(t);
  }
  if (!tasks->empty()) return job;
  turn_.Refuse(peer, ErrorCode::kUnknownTask,
               fmt::format("{}.task is \"{}\": job {} has no such task", what, task, id), req);
  return nullptr;
}

/// Puts the changed spec into effect, and answers the request when the spec is durable.
void Clients::Steered(PeerId peer, Job& job, const std::vector<TaskIndex>& tasks, uint64_t req) {
  for (const TaskIndex t : tasks) {
    for (const Duty duty : kAllDuties) job.tasks[t].pool(duty).idle_since = Instant::Never();
    job.Touch(t);
  }
  jobs_.Queue(job);
  durable_.Persist(JobBegun{job.number, job.id, job.spec});
  AnswerWhenDurable(turn_, durable_, peers_, peer, OkMsg{req});
}

void Clients::OnPause(PeerId peer, const PauseMsg& pause) {
  SetPaused(peer, pause, Pausing::kPause);
}

void Clients::OnResume(PeerId peer, const ResumeMsg& resume) {
  SetPaused(peer, {resume.req, resume.job, resume.task}, Pausing::kResume);
}

void Clients::SetPaused(PeerId peer, const PauseMsg& which, Pausing pausing) {
  const bool paused = pausing == Pausing::kPause;
  std::vector<TaskIndex> tasks;
  Job* job =
      JobToSteer(peer, paused ? "pause" : "resume", which.job, which.task, which.req, &tasks);
  if (job == nullptr) return;
  for (const TaskIndex t : tasks) job->spec.tasks[t].paused = paused;
  turn_.Log(LogLevel::kInfo, fmt::format("{}{}{}: {}", job->id, which.task.empty() ? "" : "/",
                                         which.task, paused ? "paused" : "resumed"));
  Steered(peer, *job, tasks, which.req);
}

void Clients::OnSetWorkers(PeerId peer, const SetWorkersMsg& set) {
  std::vector<TaskIndex> tasks;
  Job* job = JobToSteer(peer, "set_workers", set.job, set.task, set.req, &tasks);
  if (job == nullptr) return;
  if (tasks.size() > 1) {
    return turn_.Refuse(peer, ErrorCode::kUnknownTask,
                        fmt::format("set_workers.task is \"\", and job {} has {} tasks", job->id,
                                    job->tasks.size()),
                        set.req);
  }
  const TaskIndex t = tasks.front();
  TaskSpec& spec = job->spec.tasks[t];
  if (set.group >= spec.workers.size()) {
    return turn_.Refuse(peer, ErrorCode::kInvalidSpec,
                        fmt::format("set_workers.group is {}: task \"{}\" has {} groups of workers",
                                    set.group, spec.task_id, spec.workers.size()),
                        set.req);
  }
  if (set.count > kWorkersPerGroupMax ||
      (set.count == 0 && spec.num_workers() == spec.workers[set.group].count &&
       !spec.external_workers)) {
    return turn_.Refuse(
        peer, ErrorCode::kInvalidSpec,
        fmt::format("set_workers.count is {}; expected at most {}, and not 0 for the only "
                    "workers of a task (pause it)",
                    set.count, kWorkersPerGroupMax),
        set.req);
  }
  spec.workers[set.group].count = static_cast<uint32_t>(set.count);
  GroupRun& group = job->tasks[t].pool(Duty::kWork).groups[set.group];
  group = GroupRun{.active = group.active};  // forgets the ends of earlier workers
  DrainSurplus(*job, t, set.group);
  turn_.Log(LogLevel::kInfo, fmt::format("{}/{}: group {} is to have {} workers", job->id,
                                         spec.task_id, set.group, set.count));
  Steered(peer, *job, tasks, set.req);
}

/// Asks surplus workers to leave when they are done, first those that hold no block.
void Clients::DrainSurplus(Job& job, TaskIndex t, size_t group) {
  std::vector<Worker*> staying;
  for (const WorkerId id : job.tasks[t].workers) {
    Worker& worker = roster_.At(id);
    if (worker.launched() && worker.duty == Duty::kWork && worker.group == group &&
        !worker.is_leaving()) {
      staying.push_back(&worker);
    }
  }
  const size_t count = job.spec.tasks[t].workers[group].count;
  if (staying.size() <= count) return;
  std::stable_partition(staying.begin(), staying.end(),
                        [](const Worker* worker) { return worker->held.empty(); });
  staying.resize(staying.size() - count);
  for (Worker* worker : staying) {
    worker->end_counts = EndCounts::kDismissed;
    orders_.Drain(*worker, "fewer workers are wanted");
  }
}

}  // namespace bellis
