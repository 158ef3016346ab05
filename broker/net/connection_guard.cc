#include "broker/net/connection_guard.h"

namespace bellis {
void ConnectionGuard::Opened(int fd, int limit) {
  Closed(fd);  // the end of the one that had this descriptor before
  silent_.emplace(++last_age_, fd);
  age_of_[fd] = last_age_;
  if (fd < limit) return;
  const int oldest = silent_.begin()->second;
  Closed(oldest);
  ++cut_count_;
  cut_(oldest);
}

void ConnectionGuard::Greeted(int fd) { Closed(fd); }

void ConnectionGuard::Closed(int fd) {
  const auto found = age_of_.find(fd);
  if (found == age_of_.end()) return;
  silent_.erase(found->second);
  age_of_.erase(found);
}

}  // namespace bellis
