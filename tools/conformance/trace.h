#pragma once

// A scenario as text: each message with its time and direction, and each action on the worker or on
// its connection.
//
//     0.214 s  worker > broker  hello {"role": "worker", "pid": 4711}
//     0.215 s  worker < broker  welcome {"version": 1, "worker": 42}
//     1.300 s  ---------------  the connection is cut

#include <span>
#include <string>
#include <vector>

#include "bellis/duration.h"

namespace bellis::conformance {

/// A msgpack message as `kind {fields}`, with the fields as JSON. Bytes that are not a message are
/// shown in hex. A long text is cut at the end.
std::string MessageText(std::span<const char> bytes);

struct TraceLine {
  enum class Kind { kFromWorker, kToWorker, kNote };
  Duration at;  // since the scenario began
  Kind kind = Kind::kNote;
  std::string who;   // "worker" or "pulse"; of a note ""
  std::string text;  // one line
};

/// "0.214 s  worker > broker  hello {...}"
std::string TraceText(const TraceLine& line);

/// All lines; of a long trace the beginning and the end.
std::string TraceText(const std::vector<TraceLine>& lines, const std::string& indent);

}  // namespace bellis::conformance
