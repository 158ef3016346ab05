#pragma once

// Follows a job to its end: progress on the terminal, then the summary and the exit code.

#include <functional>
#include <string>

#include "bellis/control.h"
#include "bellis/result.h"
#include "tools/progress_printer.h"

namespace bellis {

enum class ProgressOutput {
  kStderr,     // bars or lines
  kJsonLines,  // each status as a line of JSON on stdout
  kNone,
};

/// Follows a job and shows its progress. `tick` is asked several times a second, and after signals.
/// Returns the last status: running, when `tick` said kStop.
Result<JobStatus> WatchJob(Control& control, const std::string& job, ProgressOutput output,
                           ProgressPrinter& printer, const std::function<WatchOrder()>& tick);

/// `watch` and `submit --watch`: to the end and its summary, or until Ctrl-C, which leaves the job
/// alone. Returns the exit code.
int WatchToTheEnd(Control& control, const std::string& job, bool json);

/// Writes to stdout, at once.
void Print(const std::string& text);

}  // namespace bellis
