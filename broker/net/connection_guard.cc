#include "broker/net/connection_guard.h"

#include <sys/resource.h>

#include <algorithm>
#include <limits>

namespace bellis {
namespace {

constexpr rlim_t kFilesSparedMin = 16;  // for files, pipes and what libzmq accepts meanwhile
constexpr rlim_t kFilesSparedShare = 32;

}  // namespace

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

int DescriptorsForConnections() {
  constexpr rlim_t kNumberMax = std::numeric_limits<int>::max();
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return static_cast<int>(kNumberMax);
  const rlim_t all = std::min(files.rlim_cur, kNumberMax);
  const rlim_t spared = std::max(kFilesSparedMin, all / kFilesSparedShare);
  return static_cast<int>(all > spared ? all - spared : 1);
}

}  // namespace bellis
