#pragma once

// Keeps some descriptors of this process free, whatever connects.
//
// When none is left, accept() fails for everybody, and libzmq tries it again without a pause, or
// ends the process. So connections are closed here before that. A new descriptor is the lowest free
// one, so its number tells how many there are. The oldest connection that has said no hello is
// closed: an honest peer says hello within a moment, so peers that hold connections and say nothing
// lock nobody out.

#include <cstdint>
#include <functional>
#include <map>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace bellis {

class ConnectionGuard {
 public:
  /// `cut` ends the connection of a descriptor.
  explicit ConnectionGuard(std::function<void(int fd)> cut) : cut_(std::move(cut)) {}

  /// A connection was accepted with the descriptor `fd`. When it is not below `limit`, or there are
  /// more connections than that, one is cut: the oldest that is not greeted, or this one. (Where
  /// many came at once, the lowest descriptors are free again while the highest are taken.)
  /// Cost: O(log of those).
  void Opened(int fd, int limit);
  /// The peer has said a hello that counts, so its connection is not cut from now on. That may be
  /// known before it is known that the connection was accepted.
  void Greeted(int fd);
  void Closed(int fd);

  /// How many were cut so far.
  uint64_t cut_count() const { return cut_count_; }

 private:
  void CutOldest();

  const std::function<void(int fd)> cut_;
  std::map<uint64_t, int> silent_;  // descriptors by age
  std::unordered_map<int, uint64_t> age_of_;
  std::unordered_set<int> greeted_;
  uint64_t last_age_ = 0;
  uint64_t cut_count_ = 0;
};

}  // namespace bellis
