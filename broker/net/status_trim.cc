#include "broker/net/status_trim.h"

#include <vector>

namespace bellis {
namespace {

bool TrimJob(JobStatus* job) {
  bool trimmed = false;
  for (TaskStatus& task : job->tasks) {
    if (task.failures.empty()) continue;
    task.failures.resize(task.failures.size() / 2);
    trimmed = true;
  }
  return trimmed;
}

}  // namespace

bool TrimStatus(Message* message) {
  if (auto* progress = std::get_if<ProgressMsg>(message)) return TrimJob(&progress->status);
  if (auto* ended = std::get_if<EndedMsg>(message)) return TrimJob(&ended->status);
  auto* jobs = std::get_if<JobsMsg>(message);
  if (jobs == nullptr) return false;
  bool trimmed = false;
  for (JobStatus& job : jobs->jobs) trimmed |= TrimJob(&job);
  if (trimmed) return true;
  if (jobs->jobs.size() <= 1) return false;
  jobs->jobs.erase(jobs->jobs.begin(),
                   jobs->jobs.begin() + static_cast<ptrdiff_t>(jobs->jobs.size() / 2));
  return true;
}

}  // namespace bellis
