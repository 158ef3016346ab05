#pragma once

// Job statuses as JSON, for programs. Pure.

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "bellis/job_status.h"

namespace bellis {

/// The status as JSON, with the field names of MESSAGES.md, "Job status".
nlohmann::ordered_json StatusToJson(const JobStatus& status);

/// JSON on one line, without a newline. Bytes that are not UTF-8 are replaced.
std::string JsonLine(const nlohmann::ordered_json& json);

}  // namespace bellis
