#pragma once

// Job statuses for people in a hurry and for programs. Pure.

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "common/protocol/messages.h"
#include "common/task/status.h"

namespace bellis {

/// With the field names of PROTOCOL.md, "Job status".
nlohmann::ordered_json StatusToJson(const JobStatus& status);

/// On one line, without a newline. Bytes that are no UTF-8 are replaced.
std::string JsonLine(const nlohmann::ordered_json& json);

/// A table, one line a job: id, state, blocks, elapsed time, name.
std::string JobTable(const std::vector<JobStatus>& jobs);

/// One job in detail: a line a task.
std::string JobDetails(const JobStatus& status);

/// What a user is told of a job that goes on where an earlier run of it stopped.
std::string ResumedText(const SubmittedMsg& answer);

}  // namespace bellis
