#include "broker/core/pool_sizes.h"

#include <algorithm>

namespace bellis {

bool Needed(const Job& job, TaskIndex t, Duty duty) {
  const TaskRun& task = job.tasks[t];
  const TaskSpec& spec = job.spec.tasks[t];
  const BlockCounts& counts = job.counts(t);
  switch (duty) {
    case Duty::kWork:
      return spec.check ? !task.cleared.empty() || !task.held_back.empty() : counts.ready > 0;
    case Duty::kCheck: return spec.check && counts.ready > 0;
    case Duty::kPostCheck: return spec.post_check && counts.leased > 0;
  }
  return false;
}

uint64_t Permitted(const Job& job, TaskIndex t, Duty duty) {
  uint64_t places = 0;
  const auto specs = GroupsOf(job.spec.tasks[t], duty);
  const Pool& pool = job.tasks[t].pool(duty);
  for (size_t g = 0; g < pool.groups.size(); ++g) {
    const GroupRun& group = pool.groups[g];
    const uint64_t count = g < specs.size() && group.error.empty() ? specs[g].count : 0;
    places += std::max(group.active, count - std::min(count, group.retired));
  }
  return job.spec.serial ? std::min<uint64_t>(places, 1) : places;
}

uint64_t Active(const Pool& pool) {
  uint64_t active = 0;
  for (const GroupRun& group : pool.groups) active += group.active;
  return active;
}

uint64_t Wanted(const Job& job, TaskIndex t, Duty duty) {
  return std::min(Permitted(job, t, duty), job.counts(t).unfinished());
}

bool HasEnoughForTheRest(const Job& job, TaskIndex t, Duty duty) {
  const Pool& pool = job.tasks[t].pool(duty);
  return job.spec.tasks[t].release_idle &&
         pool.engaged + pool.starting >= job.counts(t).unfinished();
}

}  // namespace bellis
