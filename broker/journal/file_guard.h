#pragma once

// Notices when somebody else removes, replaces or truncates the files of the database while they
// are in use. SQLite would go on writing to a file without a name, and everything in it would be
// lost when the process ends.

#include <sys/types.h>

#include <string>
#include <vector>

#include "bellis/result.h"

namespace bellis {

class FileGuard {
 public:
  /// Remembers the files that these paths name now, if they exist.
  explicit FileGuard(std::vector<std::string> paths);

  /// Error (kStorage): a file is missing, was replaced, or is shorter than when it was last
  /// remembered. The error names the path and says what to do.
  Status Check() const;
  /// Must be called after the broker's own changes. Remembers the files' new sizes, and files that
  /// did not exist before.
  void Remember();

 private:
  struct File {
    std::string path;
    bool there = false;
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
  };
  std::vector<File> files_;
};

}  // namespace bellis
