#pragma once

// Plans (broker/schedule/plan.h) for people and for programs. Pure.

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "broker/schedule/plan.h"

namespace bellis {

/// Aligned text of at most 100 columns, except for long names: a paragraph for each task, one for
/// the job, then warnings and errors.
std::string PlanText(const Plan& plan);

/// One JSON object; docs/PIPELINE.md describes its keys ("Before you run: bellis plan").
nlohmann::ordered_json PlanToJson(const Plan& plan);

/// Things to check before the job runs (warnings), and reasons not to run it (errors), one sentence
/// each.
std::vector<std::string> PlanWarnings(const Plan& plan);
std::vector<std::string> PlanErrors(const Plan& plan);

}  // namespace bellis
