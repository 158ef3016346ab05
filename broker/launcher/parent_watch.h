#pragma once

// Notices the end of the process that started the launcher. The parent holds the write end of a
// pipe, which the kernel closes when the parent ends, however it ends. Where the kernel supports it
// (Linux 5.3), the parent's process is watched, too, since a child that it forked may hold the pipe
// open.

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

  /// Keeps the pipe from being inherited by child processes. Error (kIo): it is not an open
  /// descriptor.
  Status KeepFromChildren() const;

  /// The descriptors that become readable when the parent ends, or announces its end. -1: none.
  std::array<int, 2> descriptors() const { return {pipe_fd_, process_fd_}; }
  /// Must be called when one of them is readable.
  void OnReadable() { readable_ = true; }

  /// Whether the parent has ended.
  bool Gone();
  /// Whether the parent announced its end, so it was not killed.
  bool ended_well() const { return ended_well_; }

 private:
  const int pipe_fd_;
  const pid_t pid_;
  const int process_fd_;  // owned
  bool readable_ = false;
  bool ended_well_ = false;
};

}  // namespace bellis
