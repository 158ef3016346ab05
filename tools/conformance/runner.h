#pragma once

// Runs checks on a worker program, several at a time. Each check starts a new process.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "bellis/result.h"
#include "tools/conformance/check.h"
#include "tools/conformance/stage.h"

namespace bellis::conformance {

struct RunOptions {
  StageOptions stage;             // `tag` is set for each check
  std::vector<std::string> only;  // names of checks; empty: all up to the level
  int jobs = 8;                   // processes at a time
};

/// The checks of `options`: those up to its level, or those that `only` names, whatever their
/// level. Error: an unknown name.
Result<std::vector<const Check*>> ChooseChecks(const RunOptions& options);

/// The level that the worker's first hello announces. Error: it says none.
Result<int> AnnouncedLevel(StageOptions options);

/// Runs them. The order of the outcomes is that of `checks`. If the user interrupts, all processes
/// are ended, and outcomes are missing. Makes this process a subreaper.
std::vector<Outcome> RunChecks(const std::vector<const Check*>& checks, const RunOptions& options);

}  // namespace bellis::conformance
