#pragma once

// Progress as text, from the statuses of a watch. Pure: takes the time and the width, and returns
// lines.
//
//     smooth   ████████████▌            48% 31/64  ready 12  running 4  failed 1  12.3/s  ETA 3 s
//     segment                            0%  0/16  pending 16

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "bellis/job_status.h"
#include "common/time.h"

namespace bellis {

class Progress {
 public:
  /// Takes the newest status; `now` never goes back.
  void Update(const JobStatus& status, Instant now);

  /// At most `height` lines of at most `width` columns, one for each task. If there are more tasks,
  /// those that are running come first, and the last line counts the others. Parts that do not fit
  /// are left out in this order: counts in words, counts, rate and ETA, bar.
  std::vector<std::string> Lines(int width, int height, Instant now) const;

  /// All tasks in one line, for logs: "[12 s] smooth 31/64 (48%), 4 running, 12.3/s, ETA 3 s; ...".
  std::string PlainLine(Instant now) const;

 private:
  struct Sample {
    Instant at;
    uint64_t done;
  };
  struct TaskProgress {
    TaskStatus status;
    std::deque<Sample> samples;  // of the last seconds, oldest first

    double Rate(Instant now) const;  // blocks a second; 0: unknown
    std::string Eta(Instant now) const;
  };
  /// The parts of one line; each is padded to the same width for all tasks.
  struct Row {
    std::string name;
    double fraction;
    std::string done;
    std::string long_counts;
    std::string short_counts;
    std::string rate;
    std::string eta;
  };

  Row RowOf(const TaskProgress& task, Instant now) const;
  std::vector<size_t> Chosen(int height) const;

  double elapsed_s_ = 0;
  std::vector<TaskProgress> tasks_;
};

/// A bar of `width` columns, of which `fraction` is filled, in steps of an eighth of a column.
std::string Bar(double fraction, int width);

}  // namespace bellis
