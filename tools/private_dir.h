#pragma once

#include <string>

#include "bellis/result.h"

namespace bellis {

/// A new directory that only this user may enter (0700), for the socket of one run: under
/// $XDG_RUNTIME_DIR, else /tmp. Removed at the end. The next run removes the directories of killed
/// runs: a file in each is locked while its process lives.
class PrivateDir {
 public:
  static Result<PrivateDir> Make();
  PrivateDir(PrivateDir&& other) noexcept;
  PrivateDir& operator=(PrivateDir&&) = delete;
  ~PrivateDir();

  const std::string& path() const { return path_; }

 private:
  PrivateDir(std::string path, int lock_fd) : path_(std::move(path)), lock_fd_(lock_fd) {}

  std::string path_;
  int lock_fd_;
};

/// Removes the directories of dead runs under `base`.
void SweepPrivateDirs(const std::string& base);

}  // namespace bellis
