#pragma once

// Draws progress on stderr: bars that are redrawn in place on a terminal, and now and then a plain
// line anywhere else (a log of a week's run stays small).

#include <mutex>
#include <optional>
#include <string>

#include "bellis/job_status.h"
#include "common/time.h"
#include "tools/progress.h"

namespace bellis {

class ProgressPrinter {
 public:
  enum class Style { kNone, kBars, kLines };
  /// Bars when stderr is a terminal that can move its cursor, else lines.
  static Style StyleOfStderr();

  explicit ProgressPrinter(Style style) : style_(style) {}

  /// Takes a status and draws when it is time to.
  void Show(const JobStatus& status);
  /// Draws when it is time to: rates and ETA change even where nothing happens.
  void Tick();
  /// Draws the last status; nothing is drawn over it later.
  void Finish(const JobStatus& status);
  /// A line of its own, above the bars. From any thread.
  void Say(const std::string& line);

 private:
  void Draw(bool now);
  void DrawBars(Instant now);
  void EraseBars();

  const Style style_;
  std::mutex mutex_;
  Progress progress_;
  bool known_ = false;               // a status came
  std::optional<Instant> drawn_at_;  // last
  size_t bar_lines_ = 0;             // on the screen now
};

}  // namespace bellis
