#pragma once

// Limits the log lines about refused messages, so that a peer that sends nothing else cannot fill
// the disk.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "common/time.h"

namespace bellis {

/// A token bucket. Cost: O(1) a message.
class RefusalLog {
 public:
  static constexpr double kLinesPerSecond = 10;
  static constexpr double kLinesAtOnce = 20;

  /// The log line for a message that was refused because of `text`; nullopt if there were too many
  /// recently. The next line says how many were left out. `now` never goes back.
  std::optional<std::string> Line(Instant now, const std::string& text) {
    lines_ = std::min(kLinesAtOnce, lines_ + (now - at_).seconds() * kLinesPerSecond);
    at_ = now;
    if (lines_ < 1) {
      ++left_out_;
      return std::nullopt;
    }
    lines_ -= 1;
    std::string line = "refused a message: " + text;
    if (const uint64_t more = std::exchange(left_out_, 0); more > 0) {
      line += " (and " + std::to_string(more) + " others before, not written down)";
    }
    return line;
  }

 private:
  double lines_ = kLinesAtOnce;
  Instant at_;
  uint64_t left_out_ = 0;
};

}  // namespace bellis
