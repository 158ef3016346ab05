#include "broker/net/input_guard.h"

// Instead of <netinet/tcp.h>, whose tcp_info is too old.
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstddef>

namespace bellis {

void InputGuard::Opened(int fd) {
  Closed(fd);  // a former connection had this descriptor, and has ended
  inputs_.emplace(fd, Input{});
}

void InputGuard::Closed(int fd) {
  const auto found = inputs_.find(fd);
  if (found == inputs_.end()) return;
  EndDoubt(found->second);
  inputs_.erase(found);
}

void InputGuard::Spoke(int fd) {
  const auto found = inputs_.find(fd);
  if (found != inputs_.end()) EndDoubt(found->second);
}

void InputGuard::EndDoubt(Input& input) {
  if (!input.doubted) return;
  input.doubted = false;
  --doubts_;
}

void InputGuard::Look() {
  auto at = inputs_.lower_bound(next_);
  for (size_t left = std::min(kLookMax, inputs_.size()); left > 0; --left) {
    if (at == inputs_.end()) at = inputs_.begin();
    const int fd = at->first;
    Input& input = at->second;
    ++at;
    const uint64_t received = received_(fd);
    if (received <= input.from || received - input.from <= bytes_max_) continue;
    input.from = received;
    if (!input.doubted) {
      input.doubted = true;
      ++doubts_;
      continue;
    }
    ++cut_count_;
    cut_(fd);
  }
  next_ = at == inputs_.end() ? 0 : at->first;
}

uint64_t BytesReadOf(int fd) {
  tcp_info info{};
  socklen_t size = sizeof(info);
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return 0;
  if (size < offsetof(tcp_info, tcpi_bytes_received) + sizeof(info.tcpi_bytes_received)) return 0;
  int waiting = 0;
  if (ioctl(fd, SIOCINQ, &waiting) != 0) return 0;
  return info.tcpi_bytes_received - std::min<uint64_t>(info.tcpi_bytes_received, waiting);
}

}  // namespace bellis
