#pragma once

// Draws progress on stderr: on a terminal, bars that are redrawn in place; elsewhere, a plain line
// now and then (so that the log of a week's run stays small).

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
  /// Bars if stderr is a terminal that can move its cursor, else lines.
  static Style StyleOfStderr();

  explicit ProgressPrinter(Style style) : style_(style) {}

  /// Takes a status, and draws it if it is time to.
  void Show(const JobStatus& status);
  /// Draws if it is time to: rates and ETA change even if nothing happens.
  void Tick();
  /// Draws the last status, over which nothing is drawn later.
  void Finish(const JobStatus& status);
  /// Prints a separate line above the bars. May be called from any thread.
  void Say(const std::string& line);

 private:
  void Draw(bool now);
  void DrawBars(Instant now);
  void EraseBars();

  const Style style_;
  std::mutex mutex_;
  Progress progress_;
  bool known_ = false;               // a status has come
  std::optional<Instant> drawn_at_;  // last
  size_t bar_lines_ = 0;             // on the screen now
};

}  // namespace bellis
