#pragma once

// Plans (broker/schedule/plan.h) for people and for programs. Pure.

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "broker/schedule/plan.h"

namespace bellis {

/// Aligned text of at most 100 columns, but for long names: a paragraph for each task, one for the
/// job, then warnings and errors.
std::string PlanText(const Plan& plan);

/// One object; the keys are described in docs/PIPELINE.md, "Before you run: bellis plan".
nlohmann::ordered_json PlanToJson(const Plan& plan);

/// What is worth a look before the job runs, one sentence each; and what must not run like this.
std::vector<std::string> PlanWarnings(const Plan& plan);
std::vector<std::string> PlanErrors(const Plan& plan);

}  // namespace bellis
