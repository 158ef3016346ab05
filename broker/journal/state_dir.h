#pragma once

// The directory in which one broker keeps its state: private, on a local disk, and locked while
// the broker runs. Two brokers in one directory would lease the same blocks; SQLite's locks, and
// this one, do not hold on network file systems.

#include <string>

#include "common/result.h"

namespace bellis {

class StateDir {
 public:
  /// Makes the directory (0700, parents too) if it is not there, and locks it until destruction.
  /// Errors (kStorage), each naming the directory: it cannot be made, entered or written; others
  /// may enter it; it lies on a network file system; another broker (its pid is told) has it.
  static Result<StateDir> Take(const std::string& path);

  StateDir(StateDir&& other) noexcept;
  StateDir& operator=(StateDir&& other) noexcept;
  ~StateDir();

  const std::string& path() const { return path_; }

 private:
  StateDir(std::string path, int fd) : path_(std::move(path)), lock_fd_(fd) {}
  std::string path_;
  int lock_fd_ = -1;
};

/// The name of the network file system that a statfs type stands for; nullptr for any other.
const char* NetworkFileSystem(int64_t type);

}  // namespace bellis
