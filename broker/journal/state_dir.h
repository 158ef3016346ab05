#pragma once

// The directory in which one broker keeps its state: private, on a local disk, and locked while
// the broker runs. Two brokers in one directory would lease the same blocks. Neither SQLite's locks
// nor this one work on network file systems.

#include <string>
#include <utility>

#include "bellis/result.h"
#include "common/files/fd.h"

namespace bellis {

class StateDir {
 public:
  /// Makes the directory (0700, parents too) if it does not exist, and locks it until destruction.
  /// Errors (kStorage), each naming the directory: it cannot be made, entered or written; other
  /// users may enter it; it is on a network file system; another broker has it (the error names its
  /// pid).
  static Result<StateDir> Take(const std::string& path);

  const std::string& path() const { return path_; }

  /// A path to a file in the directory that was opened and checked, even if another directory has
  /// its name by now.
  std::string Inside(const std::string& name) const;

 private:
  StateDir(std::string path, Fd dir, Fd lock)
      : path_(std::move(path)), dir_(std::move(dir)), lock_(std::move(lock)) {}
  std::string path_;
  Fd dir_;
  Fd lock_;
};

/// The name of the network file system with this statfs type; nullptr for any other type.
const char* NetworkFileSystem(int64_t type);

}  // namespace bellis
