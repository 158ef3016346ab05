#include "broker/journal/file_guard.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "common/files/private_dir.h"

namespace bellis {

FileGuard::FileGuard(std::vector<std::string> paths) {
  for (std::string& path : paths) files_.push_back({std::move(path)});
  Remember();
}

Status FileGuard::Check() const {
  for (const File& file : files_) {
    if (!file.there) continue;
    struct stat now {};
    std::string what;
    if (lstat(file.path.c_str(), &now) != 0) {
      what = errno == ENOENT ? "was removed" : std::strerror(errno);
    } else if (now.st_dev != file.device || now.st_ino != file.inode) {
      what = "was replaced by another file";
    } else if (!S_ISDIR(now.st_mode) && now.st_size < file.size) {
      what = fmt::format("was cut from {} to {} bytes", file.size, now.st_size);
    } else {
      continue;
    }
    return Error{ErrorCode::kStorage,
                 fmt::format("{} {} while the broker runs: nothing is acknowledged until the file "
                             "that was there is back; else end the broker, and put back a copy of "
                             "the directory or start over in another one",
                             ShownPath(file.path), what)};
  }
  return OkStatus();
}

void FileGuard::Remember() {
  for (File& file : files_) {
    struct stat now {};
    if (lstat(file.path.c_str(), &now) != 0) continue;
    if (!std::exchange(file.there, true)) {
      file.device = now.st_dev;
      file.inode = now.st_ino;
    }
    if (file.device == now.st_dev && file.inode == now.st_ino) file.size = now.st_size;
  }
}

}  // namespace bellis
