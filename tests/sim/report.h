#pragma once

// The report of a run: the last events (or all of them), the counts, and the violation that stopped
// the run.

#include <array>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "common/protocol/messages.h"
#include "common/time.h"

namespace bellis::sim {

/// An invariant does not hold. Ends the run.
class Violation : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Throws Violation unless `holds`. `invariant` is the invariant's name in reports, `words` says
/// what was seen instead.
template <typename Words>
void Require(bool holds, const char* invariant, Words&& words) {
  if (!holds) throw Violation(std::string(invariant) + ": " + words());
}

/// The kind of the message and the fields that matter, in one line.
std::string Describe(const Message& message);

/// The last events of a run, in a ring. In verbose mode, every event also goes to stdout at once.
class Trace {
 public:
  explicit Trace(bool verbose) : verbose_(verbose) {}

  bool verbose() const { return verbose_; }
  void Add(Instant now, std::string text);
  /// The last events, oldest first.
  std::string Tail() const;

 private:
  static constexpr size_t kKept = 40;
  struct Entry {
    Instant at;
    std::string text;
  };
  bool verbose_;
  std::array<Entry, kKept> ring_;
  size_t added_ = 0;
};

/// Sums over one or many runs. Written to a pipe as text by the processes that share the work.
struct Tally {
  uint64_t seeds = 0;
  uint64_t steps = 0;
  uint64_t messages = 0;
  uint64_t blocks = 0;  // of the jobs that were submitted
  uint64_t leases = 0;
  uint64_t virtual_ms = 0;
  std::map<std::string, uint64_t> jobs;    // by how they ended
  std::map<std::string, uint64_t> faults;  // by kind

  void Add(const Tally& other);
  std::string ToText() const;
  static Tally FromText(const std::string& text);
};

}  // namespace bellis::sim
