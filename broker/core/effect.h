#pragma once

// All that can follow from an event. The shell carries it out, in this order: log, send, forget.

#include <string>
#include <vector>

#include "common/ids.h"
#include "common/protocol/messages.h"
#include "common/time.h"

namespace bellis {

struct Send {
  PeerId to;
  Message message;
};

enum class LogLevel { kDebug, kInfo, kWarning, kError };

struct LogLine {
  LogLevel level;
  std::string text;
};

struct Effects {
  std::vector<LogLine> log;
  std::vector<Send> sends;
  std::vector<PeerId> forget;                // said bye, or gone: their ids mean nothing any more
  Instant next_deadline = Instant::Never();  // when to step with TimePassed at the latest
  bool more_work = false;                    // step with TimePassed as soon as nothing else waits
  bool finished = false;                     // after ShutDown: no launcher is left

  /// Keeps the memory.
  void Clear() {
    log.clear();
    sends.clear();
    forget.clear();
    next_deadline = Instant::Never();
    more_work = false;
    finished = false;
  }
};

}  // namespace bellis
