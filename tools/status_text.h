#pragma once

// Job statuses as text for people. Pure.

#include <string>
#include <vector>

#include "bellis/control.h"
#include "bellis/job_status.h"

namespace bellis {

/// "paused" if the job runs, but no block that is left may be handed out; else the state's name,
/// and how many tasks are paused.
std::string StateText(const JobStatus& status);

/// The completed blocks by language of the worker: "c++ 40 (10.1 ms each), python 24 (15.2 ms
/// each)"; empty if nobody has. Skipped blocks are not counted.
std::string LanguagesText(const TaskStatus& task);

/// A table with one line per job: id, state, blocks, time, user, name. Names are clipped if a line
/// would be wider than `width` columns; 0: no limit.
std::string JobTable(const std::vector<JobStatus>& jobs, int width = 0);

/// The job in detail: a line for each task, the blocks by language if the workers have several, and
/// the notices.
std::string JobDetails(const JobStatus& status, int width = 0);

/// The message about a job that is resumed.
std::string ResumedText(const Submitted& answer);

}  // namespace bellis
