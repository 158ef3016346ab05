#pragma once

// A check: one thing that the protocol's pages ask of a worker, and the scenario that shows whether
// it holds.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tools/conformance/trace.h"

namespace bellis::conformance {

class Stage;

struct Check {
  std::string name;     // "drain-idle"
  int level = 0;        // 0 minimal, 1 alive, 2 lasting
  bool must = true;     // else optional: that it fails does not count
  std::string holds;    // what holds, if it does: "a worker that waits leaves when told to drain"
  std::string page;     // in common/protocol: "WORKERS.md"
  std::string heading;  // there
  int about_s = 1;      // how long it takes; longer ones are begun first
  /// Plays the broker. Returns if all is well; throws Broken or NotShown.
  std::function<void(Stage&)> play;
};

/// Thrown by a scenario: the worker does not do what is asked of it. A sentence that says what was
/// expected and what came.
struct Broken {
  std::string sentence;
};

/// Thrown by a scenario: this worker, as it was started, cannot show it. Says how it could.
struct NotShown {
  std::string sentence;
};

/// Thrown by a scenario: the user wants no more.
struct Interrupted {};

enum class Verdict { kHolds, kFails, kNotShown };
const char* VerdictName(Verdict verdict);

struct Outcome {
  const Check* check = nullptr;
  Verdict verdict = Verdict::kHolds;
  std::string sentence;  // unless it holds
  Duration took;
  std::vector<TraceLine> trace;
  std::string output;  // the end of the worker's stdout and stderr
};

}  // namespace bellis::conformance
