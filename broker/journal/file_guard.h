#pragma once

// Notices that the files of the database were removed, replaced or cut by somebody else while they
// are in use: SQLite writes on into a file that no longer has a name, and everything would be lost
// with the end of the process.

#include <sys/types.h>

#include <string>
#include <vector>

#include "bellis/result.h"

namespace bellis {

class FileGuard {
 public:
  /// Remembers which files are behind these paths now, as far as they are there.
  explicit FileGuard(std::vector<std::string> paths);

  /// Error (kStorage): one of them is missing, is another one, or is shorter than when it was last
  /// remembered; it names the path and says what to do.
  Status Check() const;
  /// After changes of one's own. Files stay the same ones, but those that were not there before.
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
