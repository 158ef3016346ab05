#pragma once

// Keeps some descriptors of this process free, however many peers connect.
//
// When no descriptor is left, accept() fails for everybody, and libzmq retries it without a pause,
// or ends the process. So connections are closed here before that happens. A new descriptor is the
// lowest free one, so its number tells how many there are. The oldest connection that has said no
// hello is closed. An honest peer says hello at once, so peers that hold silent connections cannot
// lock others out.

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

  /// A connection was accepted with the descriptor `fd`. If `fd` is not below `limit`, or there are
  /// more than `limit` connections, the oldest connection that has said no hello is cut, which may
  /// be this one. (If many connect at once, the lowest descriptors are free again while the highest
  /// are still taken.) Cost: O(log n) for n silent connections.
  void Opened(int fd, int limit);
  /// The peer's hello was accepted, so its connection is not cut from now on. This may be called
  /// before Opened.
  void Greeted(int fd);
  void Closed(int fd);

  /// How many connections were cut so far.
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
