#pragma once

// How many processes a task should have, of each duty: functions of the job alone.

#include <cstdint>
#include <span>

#include "broker/core/job.h"

namespace bellis {

/// The duties for which the task can have workers.
inline std::span<const Duty> DutiesOf(const TaskSpec& spec) {
  return std::span(kAllDuties).first(spec.check || spec.post_check ? kAllDuties.size() : 1);
}
/// Whether the task has something to do for workers of that duty.
bool Needed(const Job& job, TaskIndex task, Duty duty);
/// How many processes the task may have: its places, without those whose process left of its own
/// accord. Of a group that was given up, only the running processes count.
uint64_t Permitted(const Job& job, TaskIndex task, Duty duty);
/// How many processes were asked for, or run.
uint64_t Active(const Pool& pool);
/// How many processes the task should have while it has something to do for them.
uint64_t Wanted(const Job& job, TaskIndex task, Duty duty);
/// Whether the workers that are engaged or starting are enough for all blocks that are left, so
/// that no other need be started. Only for tasks with release_idle.
bool HasEnoughForTheRest(const Job& job, TaskIndex task, Duty duty);

}  // namespace bellis
