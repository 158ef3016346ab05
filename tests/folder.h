#pragma once

// A folder in the file system for one test or one benchmark.

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

namespace bellis::test {

/// A new folder under /tmp that nobody else may enter. It is removed when the object ends in the
/// process that made it, not in that process's forked children.
class Folder {
 public:
  Folder() {
    char name[] = "/tmp/bellis-test-XXXXXX";
    if (mkdtemp(name) == nullptr) throw std::runtime_error("no folder can be made in /tmp");
    path_ = name;
  }
  ~Folder() {
    if (getpid() == owner_) std::filesystem::remove_all(path_);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  const pid_t owner_ = getpid();
  std::string path_;
};

}  // namespace bellis::test
