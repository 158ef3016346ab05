#include "broker/launcher/parent_watch.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace bellis {
namespace {

/// A descriptor that is readable once the process has ended; -1 where the kernel has none.
int ProcessDescriptor(pid_t pid) {
#ifdef SYS_pidfd_open
  if (pid > 0) return static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
#endif
  return -1;
}

}  // namespace

ParentWatch::ParentWatch(int pipe_fd, pid_t pid)
    : pipe_fd_(pipe_fd), pid_(pid), process_fd_(ProcessDescriptor(pid)) {}

ParentWatch::~ParentWatch() {
  if (process_fd_ >= 0) close(process_fd_);
}

Status ParentWatch::KeepFromChildren() const {
  if (pipe_fd_ < 0 || fcntl(pipe_fd_, F_SETFD, FD_CLOEXEC) == 0) return OkStatus();
  return Error{ErrorCode::kIo,
               fmt::format("parent descriptor {}: {}", pipe_fd_, std::strerror(errno))};
}

bool ParentWatch::Gone() {
  if (readable_ && pipe_fd_ >= 0) {
    char words[64];
    pollfd readable{pipe_fd_, POLLIN, 0};
    while (poll(&readable, 1, 0) > 0) {
      if (read(pipe_fd_, words, sizeof(words)) <= 0) return true;
      ended_well_ = true;
    }
  }
  return pid_ > 0 && getppid() != pid_;
}

}  // namespace bellis
