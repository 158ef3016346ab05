#include "tools/watch_job.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "common/task/status_json.h"
#include "common/text/printable.h"
#include "tools/exit_code.h"
#include "tools/interrupt.h"
#include "tools/summary.h"
#include "tools/text.h"

namespace bellis {

void Print(const std::string& text) {
  const std::string clean = PrintableLines(text);
  std::fwrite(clean.data(), 1, clean.size(), stdout);
  std::fflush(stdout);
}

Result<JobStatus> WatchJob(Control& control, const std::string& job, ProgressOutput output,
                           ProgressPrinter& printer, const std::function<WatchOrder()>& tick) {
  const bool json = output == ProgressOutput::kJsonLines;
  WatchOptions watch;
  watch.progress = [&](const JobStatus& status) {
    if (json) Print(JsonLine(StatusToJson(status)) + "\n");
    printer.Show(status);
  };
  watch.tick = [&] {
    printer.Tick();
    return tick();
  };
  Result<JobStatus> last = control.Watch(job, watch);
  if (!last.ok()) return last;
  printer.Finish(*last);
  if (json && last->state != JobState::kRunning) Print(JsonLine(StatusToJson(*last)) + "\n");
  return last;
}

int WatchToTheEnd(Control& control, const std::string& job, bool json) {
  CatchInterrupts();
  ProgressPrinter printer(json ? ProgressPrinter::Style::kNone : ProgressPrinter::StyleOfStderr());
  const Result<JobStatus> last =
      WatchJob(control, job, json ? ProgressOutput::kJsonLines : ProgressOutput::kStderr, printer,
               [] { return InterruptCount() > 0 ? WatchOrder::kStop : WatchOrder::kGoOn; });
  if (!last.ok()) return Complain(last.error());
  if (last->state == JobState::kRunning) {
    std::fprintf(stderr, "bellis: %s runs on; 'bellis cancel %s' ends it\n", Printable(job).c_str(),
                 Printable(job).c_str());
    return kExitSignal + InterruptSignal();
  }
  if (!json) Print(SummaryText(*last));
  return ExitCodeFor(*last);
}

}  // namespace bellis
