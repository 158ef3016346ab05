#pragma once

// Prints the conversation of one proxy: a line for each message, when a peer comes, and when it is
// gone.
//
//     12:00:01.204 1 worker   -> hello   {version: 1, role: "worker", ...}
//     12:00:01.205 1 worker 7 <- welcome {version: 1, worker: 7, ...}

#include <cstdio>
#include <map>
#include <span>
#include <string>

namespace bellis {

struct TraceOptions {
  bool json = false;  // one object a line; lines are whole
  bool full = false;  // long lines are whole
  FILE* out = stdout;
};

enum class Direction { kToBroker, kFromBroker };

class WireTrace {
 public:
  explicit WireTrace(TraceOptions options) : options_(options) {}

  /// Peers have numbers from 1 on, in the order in which they come. `frames`: of the message, which
  /// has one if it is right; `bytes` are those of all.
  void Message(int peer, Direction direction, std::span<const char> bytes, int frames);
  /// The peer's connection is gone.
  void Gone(int peer);

 private:
  void Learn(int peer, Direction direction, const std::string& kind, std::span<const char> bytes);
  void Line(const std::string& text, bool is_bounded);

  const TraceOptions options_;
  std::map<int, std::string> names_;  // "worker 7", from its hello and its welcome
};

}  // namespace bellis
