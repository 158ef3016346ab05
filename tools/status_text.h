#pragma once

// Job statuses for people in a hurry and for programs. Pure.

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "bellis/control.h"
#include "bellis/job_status.h"

namespace bellis {

/// With the field names of PROTOCOL.md, "Job status".
nlohmann::ordered_json StatusToJson(const JobStatus& status);

/// On one line, without a newline. Bytes that are no UTF-8 are replaced.
std::string JsonLine(const nlohmann::ordered_json& json);

/// "paused" where nothing that is left of a running job is handed out; else the state's name, and
/// how many tasks are paused.
std::string StateText(const JobStatus& status);

/// A table, one line a job: id, state, blocks, when, whose, name. Names are clipped where a line
/// would be wider than `width` columns; 0: nothing is clipped.
std::string JobTable(const std::vector<JobStatus>& jobs, int width = 0);

/// One job in detail: a line a task, then the notices.
std::string JobDetails(const JobStatus& status, int width = 0);

/// What a user is told of a job that is resumed.
std::string ResumedText(const Submitted& answer);

}  // namespace bellis
