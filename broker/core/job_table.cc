#include "broker/core/job_table.h"

#include <algorithm>

#include "broker/core/turn.h"
#include "common/check.h"

namespace bellis {

Job* JobTable::Find(JobNumber number) const {
  const auto found = jobs_.find(number);
  return found == jobs_.end() ? nullptr : found->second.get();
}

Job* JobTable::FindById(const std::string& id) const {
  const size_t dash = id.rfind('-');
  if (dash == std::string::npos || id.size() - dash > 20) return nullptr;
  uint64_t number = 0;
  for (size_t i = dash + 1; i < id.size(); ++i) {
    if (id[i] < '0' || id[i] > '9') return nullptr;
    number = number * 10 + static_cast<uint64_t>(id[i] - '0');
  }
  Job* job = Find(JobNumber(number));
  return job != nullptr && job->id == id ? job : nullptr;
}

Job* JobTable::FindNewest(const std::string& name) const {
  for (auto it = jobs_.rbegin(); it != jobs_.rend(); ++it) {
    if (it->second->spec.name == name) return it->second.get();
  }
  return nullptr;
}

Job& JobTable::Add(std::unique_ptr<Job> job) {
  last_ = std::max(last_, job->number.value);
  Job& added = *job;
  const bool is_new = jobs_.emplace(job->number, std::move(job)).second;
  BELLIS_CHECK(is_new, "no two jobs have the same number");
  return added;
}

JobTable::Map::const_iterator JobTable::Erase(Map::const_iterator it) {
  const Job& job = *it->second;
  BELLIS_CHECK(!job.running() && job.workers == 0 && !job.queued && !job.working,
               "nobody refers to a job that is forgotten");
  return jobs_.erase(it);
}

void JobTable::Begin(Job& job) {
  job.state = JobState::kRunning;
  ++running_;
}

void JobTable::End(Job& job, JobState state) {
  BELLIS_CHECK(job.running() && state != JobState::kRunning, "a job ends once");
  job.state = state;
  --running_;
  if (std::exchange(job.working, false)) std::erase(working_, &job);
}

void JobTable::TouchAll(Job& job) {
  for (TaskIndex t = 0; t < job.tasks.size(); ++t) job.Touch(t);
  Queue(job);
}

void JobTable::TouchAll() {
  for (const auto& [number, job] : jobs_) {
    if (job->running()) TouchAll(*job);
  }
}

Job* JobTable::NextTouched() {
  if (next_touched_ == touched_.size()) {
    touched_.clear();
    next_touched_ = 0;
    return nullptr;
  }
  Job* job = touched_[next_touched_++];
  job->queued = false;
  return job;
}

void JobTable::Work() {
  for (size_t i = 0; i < working_.size();) {
    Job& job = *working_[i];
    if (job.frontier->Work(Frontier::kInlineWork)) {
      ++i;
    } else {
      job.working = false;
      working_.erase(working_.begin() + static_cast<ptrdiff_t>(i));
    }
    Queue(job);
  }
}

void JobTable::NoteWork(Job& job) {
  if (job.running() && job.frontier->has_work() && !std::exchange(job.working, true)) {
    working_.push_back(&job);
  }
}

void LookAgain(Turn& turn, Job& job, TaskIndex t, Instant due) {
  Instant& set = job.tasks[t].timer_at;
  if (set > turn.now() && set <= due) return;
  set = due;
  turn.Wake({due, TimerKind::kTask, job.number.value, t});
}

void JobTable::CheckInvariants() const {
  size_t running = 0;
  size_t queued = 0;
  size_t working = 0;
  for (const auto& [number, job] : jobs_) {
    BELLIS_CHECK(number == job->number && number.value <= last_, "a job is kept by its number");
    running += job->running() ? 1 : 0;
    queued += job->queued ? 1 : 0;
    working += job->working ? 1 : 0;
  }
  BELLIS_CHECK(running == running_, "the count of running jobs is right");
  BELLIS_CHECK(queued == touched_.size() - next_touched_, "each touched job is in the queue");
  BELLIS_CHECK(working == working_.size(), "each job with follow-up work is in the list");
}

}  // namespace bellis
