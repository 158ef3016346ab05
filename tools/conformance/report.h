#pragma once

// The results of the checks, as text for people and as JSON for programs.

#include <string>
#include <vector>

#include "tools/conformance/check.h"
#include "tools/conformance/packing.h"

namespace bellis::conformance {

struct Summary {
  int must_hold = 0;
  int must_fail = 0;
  int must_not_shown = 0;
  int optional_hold = 0;
  int optional = 0;
};
Summary Summarize(const std::vector<Outcome>& outcomes);

/// A line for each check, then what was expected and what came for those that do not hold, with the
/// messages, and last the sum.
std::string ReportText(const std::vector<Outcome>& outcomes, int level);

/// {"level", "holds", "checks": [{"name", "level", "must", "page", "heading", "verdict",
/// "sentence", "seconds", "trace"}]}
Json ReportJson(const std::vector<Outcome>& outcomes, int level);

/// All checks that there are, without a worker: the same keys as far as they are known.
std::string ListText();
Json ListJson();

}  // namespace bellis::conformance
