#include "common/files/private_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace bellis {
namespace {

Error Trouble(const std::string& path, int error) {
  return {error == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo,
          fmt::format("{}: {}", path, std::strerror(error))};
}

Error Refused(const std::string& path, const std::string& why) {
  return {ErrorCode::kUnauthorized, fmt::format("{} {}", path, why)};
}

}  // namespace

Result<std::string> ReadPrivateFile(const std::string& path, size_t bytes_max) {
  const Result<Fd> file = OpenByWalk(path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, {});
  if (!file.ok()) return file.error();
  struct stat info {};
  if (fstat(file->get(), &info) != 0) return Trouble(path, errno);
  if (!S_ISREG(info.st_mode)) return Refused(path, "is not a regular file: remove it");
  if (!IsTrustedOwner(info.st_uid)) {
    return Refused(path, fmt::format("belongs to another user (uid {}); it must be yours (uid {})",
                                     info.st_uid, geteuid()));
  }
  if ((info.st_mode & 077) != 0) {
    return Refused(path, fmt::format("has mode {:04o}; it must be closed to others (chmod 600)",
                                     info.st_mode & 07777));
  }
  if (info.st_nlink > 1) {
    return Refused(
        path, fmt::format("is one of {} names of a file: put a copy in its place", info.st_nlink));
  }
  std::string bytes(bytes_max + 1, '\0');
  size_t size = 0;
  while (size < bytes.size()) {
    const ssize_t got = read(file->get(), bytes.data() + size, bytes.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Trouble(path, errno);
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  if (size > bytes_max) return Refused(path, fmt::format("has more than {} bytes", bytes_max));
  bytes.resize(size);
  return bytes;
}

Status WritePrivateFile(const std::string& path, const std::string& bytes) {
  Result<Fd> file = OpenByWalk(path, O_WRONLY | O_CREAT | O_EXCL, 0600, {});
  if (!file.ok()) return file.error();
  const bool written =
      write(file->get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());
  if (!written || close(file->Release()) != 0) return Trouble(path, errno);
  return OkStatus();
}

namespace {

/// Which descriptor of this process a name such as /dev/stdout stands for; -1: none.
int OwnDescriptor(const std::string& path) {
  for (const char* name : {"/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"}) {
    if (path == name) return STDOUT_FILENO;
  }
  for (const char* name : {"/dev/stderr", "/dev/fd/2", "/proc/self/fd/2"}) {
    if (path == name) return STDERR_FILENO;
  }
  return -1;
}

/// Whether the file is a terminal or a pipe that this process writes to already, or /dev/null.
bool MayTakeLines(const struct stat& file) {
  if (S_ISCHR(file.st_mode) && file.st_rdev == makedev(1, 3)) return true;
  for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) {
    struct stat own {};
    if (fstat(fd, &own) == 0 && own.st_dev == file.st_dev && own.st_ino == file.st_ino) return true;
  }
  return false;
}

}  // namespace

Result<Fd> OpenLogFile(const std::string& path, int flags, bool make_parents) {
  if (const int own = OwnDescriptor(path); own >= 0) {
    Fd copy(fcntl(own, F_DUPFD_CLOEXEC, 0));
    if (!copy.ok()) return Trouble(path, errno);
    return copy;  // its flags stay: other processes may share them
  }
  const int more = O_APPEND | O_NOCTTY | O_NONBLOCK;
  Result<Fd> file = OpenByWalk(path, flags | more, 0666, {.make_parents = make_parents});
  if (!file.ok()) return file.error();
  struct stat info {};
  if (fstat(file->get(), &info) != 0) return Trouble(path, errno);
  const bool regular = S_ISREG(info.st_mode);
  if (!regular && !MayTakeLines(info)) {
    return Refused(path, "is not a regular file: remove it, or choose another path");
  }
  if (regular && info.st_uid != geteuid()) {
    return Refused(path, fmt::format("belongs to another user (uid {}; you are {}): choose another "
                                     "log directory",
                                     info.st_uid, geteuid()));
  }
  if (regular && info.st_nlink > 1) {
    return Refused(path, fmt::format("is one of {} names of a file: remove it", info.st_nlink));
  }
  // O_NONBLOCK was needed only for the opening.
  if (fcntl(file->get(), F_SETFL, O_APPEND) != 0) return Trouble(path, errno);
  return file;
}

}  // namespace bellis
