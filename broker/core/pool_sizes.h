#pragma once

// How many processes a task should have, of each duty: functions of the job alone.

#include <cstdint>

#include "broker/core/job.h"

namespace bellis {

/// Whether there is something to do for workers of that duty.
bool Needed(const Job& job, TaskIndex task, Duty duty);
/// How many processes there may be: the places, but those whose process left of its own accord, and
/// those of groups that are given up, of which only what runs counts.
uint64_t Permitted(const Job& job, TaskIndex task, Duty duty);
/// Processes that were asked for, or run.
uint64_t Active(const Pool& pool);
/// How many processes there should be while there is something to do for them.
uint64_t Wanted(const Job& job, TaskIndex task, Duty duty);
/// Whether those that wait or hold something, and those that are about to, are enough for all that
/// is left: then no other is started.
bool HasEnoughForTheRest(const Job& job, TaskIndex task, Duty duty);

}  // namespace bellis
