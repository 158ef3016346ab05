#pragma once

// Peers whose connection has ended according to the operating system. libzmq needs a moment to
// close a connection, and the peer may have opened another one. So each peer is checked several
// times, with growing pauses.

#include <algorithm>
#include <array>
#include <cstddef>
#include <deque>
#include <string>
#include <utility>

#include "common/time.h"

namespace bellis {

class ClosedPeers {
 public:
  void Add(std::string routing_id, Instant now) {
    suspects_.push_back({now, 0, std::move(routing_id)});
  }

  /// Calls `is_here(routing_id)` for each peer that is due. If that returns false, the peer is
  /// gone, or is not known any more, and is not checked again.
  template <class IsHere>
  void Look(Instant now, IsHere is_here) {
    for (size_t left = suspects_.size(); left > 0; --left) {
      Suspect suspect = std::move(suspects_.front());
      suspects_.pop_front();
      if (suspect.at > now) {
        suspects_.push_back(std::move(suspect));
      } else if (is_here(suspect.routing_id) && suspect.looks < kPauses.size()) {
        suspect.at = now + kPauses[suspect.looks++];
        suspects_.push_back(std::move(suspect));
      }
    }
  }

  /// When to look again. Cost: linear in the peers that are being checked.
  Instant next_deadline() const {
    Instant next = Instant::Never();
    for (const Suspect& suspect : suspects_) next = std::min(next, suspect.at);
    return next;
  }

 private:
  // The pauses after the first look, which is immediate.
  static constexpr std::array kPauses = {Duration::Millis(2), Duration::Millis(20),
                                         Duration::Millis(200), Duration::Seconds(2)};
  struct Suspect {
    Instant at;
    size_t looks;
    std::string routing_id;
  };
  std::deque<Suspect> suspects_;
};

}  // namespace bellis
