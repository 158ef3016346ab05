#include "broker/net/connection_guard.h"

namespace bellis {

void ConnectionGuard::Opened(int fd, int limit) {
  if (!greeted_.contains(fd)) {  // its hello may have been read before
    Closed(fd);                  // a former connection had this descriptor, and has ended
    silent_.emplace(++last_age_, fd);
    age_of_[fd] = last_age_;
  }
  if (fd >= limit) CutOldest();
  const auto most = static_cast<size_t>(limit);
  while (!silent_.empty() && silent_.size() + greeted_.size() > most) CutOldest();
}

void ConnectionGuard::CutOldest() {
  if (silent_.empty()) return;
  const int oldest = silent_.begin()->second;
  Closed(oldest);
  ++cut_count_;
  cut_(oldest);
}

void ConnectionGuard::Greeted(int fd) {
  Closed(fd);
  greeted_.insert(fd);
}

void ConnectionGuard::Closed(int fd) {
  greeted_.erase(fd);
  const auto found = age_of_.find(fd);
  if (found == age_of_.end()) return;
  silent_.erase(found->second);
  age_of_.erase(found);
}

}  // namespace bellis
