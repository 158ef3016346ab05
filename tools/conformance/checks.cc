#include "tools/conformance/checks.h"

#include <iterator>

namespace bellis::conformance {

const char* VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kHolds: return "holds";
    case Verdict::kFails: return "fails";
    case Verdict::kNotShown: return "not shown";
  }
  return "";
}

const std::vector<Check>& AllChecks() {
  static const std::vector<Check>& all = *new std::vector<Check>([] {
    std::vector<Check> checks;
    for (auto* part : {TalkChecks, MessageChecks, NetworkChecks, LeaseChecks, LastingChecks}) {
      std::vector<Check> more = part();
      checks.insert(checks.end(), std::make_move_iterator(more.begin()),
                    std::make_move_iterator(more.end()));
    }
    return checks;
  }());
  return all;
}

}  // namespace bellis::conformance
