#pragma once

// Whether the process that started the launcher is still there. The parent holds the write end of a
// pipe, which the kernel closes at its end, however that came; where the kernel can (Linux 5.3),
// its process is watched too, since a child that it forked may hold the pipe open.

#include <sys/types.h>

#include <array>

#include "bellis/result.h"

namespace bellis {

class ParentWatch {
 public:
  /// `pipe_fd` is borrowed; -1: there is no parent. `pid` 0: the process is not watched.
  ParentWatch(int pipe_fd, pid_t pid);
  ~ParentWatch();
  ParentWatch(const ParentWatch&) = delete;
  ParentWatch& operator=(const ParentWatch&) = delete;

  /// Keeps the pipe from the processes that this one starts. Error (kIo): it is no open descriptor.
  Status KeepFromChildren() const;

  /// Become readable when the parent ends, or says that it ends as it should. -1: none.
  std::array<int, 2> descriptors() const { return {pipe_fd_, process_fd_}; }
  /// To be called when one of them is.
  void OnReadable() { readable_ = true; }

  /// Whether the parent has ended.
  bool Gone();
  /// The parent had said so before it ended: it was not killed.
  bool ended_well() const { return ended_well_; }

 private:
  const int pipe_fd_;
  const pid_t pid_;
  const int process_fd_;  // owned
  bool readable_ = false;
  bool ended_well_ = false;
};

}  // namespace bellis
