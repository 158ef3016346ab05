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

/// Follows a job and shows its progress. Calls `tick` several times a second, and after signals.
/// Returns the last status, which is running if `tick` returned kStop.
Result<JobStatus> WatchJob(Control& control, const std::string& job, ProgressOutput output,
                           ProgressPrinter& printer, const std::function<WatchOrder()>& tick);

/// For `watch` and `submit --watch`: follows the job to its end and prints its summary, or stops at
/// Ctrl-C, which does not affect the job. Returns the exit code.
int WatchToTheEnd(Control& control, const std::string& job, bool json);

/// Writes to stdout, and flushes.
void Print(const std::string& text);

}  // namespace bellis
