#include "broker/journal/state_dir.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

namespace bellis {
namespace {

Error Trouble(const std::string& path, const std::string& what) {
  return {ErrorCode::kStorage, fmt::format("state directory {}: {}", path, what)};
}

std::string ReadPid(int fd) {
  char text[32] = {};
  const ssize_t bytes = pread(fd, text, sizeof(text) - 1, 0);
  std::string pid(text, bytes > 0 ? static_cast<size_t>(bytes) : 0);
  while (!pid.empty() && pid.back() == '\n') pid.pop_back();
  return pid.empty() ? "?" : pid;
}

}  // namespace

const char* NetworkFileSystem(int64_t type) {
  // From linux/magic.h and the manual page of statfs; some are in no header.
  switch (static_cast<uint32_t>(type)) {
    case 0x6969: return "NFS";
    case 0x517B: return "SMB";
    case 0xFE534D42: return "SMB2";
    case 0xFF534D42: return "CIFS";
    case 0x5346414F:
    case 0x6B414653: return "AFS";
    case 0x0BD00BD0: return "Lustre";
    case 0x47504653: return "GPFS";
    case 0x00C36400: return "Ceph";
    case 0x01021997: return "9P";
    case 0x7461636F: return "OCFS2";
    case 0x01161970: return "GFS2";
    case 0x19830326: return "BeeGFS";
    case 0xAAD7AAEA: return "PanFS";
    case 0x65735546: return "FUSE";  // sshfs and the like; a local FUSE cannot be told apart
    default: return nullptr;
  }
}

Result<StateDir> StateDir::Take(const std::string& path) {
  std::error_code failed;
  const std::filesystem::path parent = std::filesystem::absolute(path).parent_path();
  std::filesystem::create_directories(parent, failed);
  if (failed) return Trouble(path, "cannot be made: " + failed.message());
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return Trouble(path, fmt::format("cannot be made: {}", std::strerror(errno)));
  }
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return Trouble(path, std::strerror(errno));
  if (!S_ISDIR(status.st_mode)) return Trouble(path, "is no directory");
  if ((status.st_mode & 077) != 0 || status.st_uid != geteuid()) {
    return Trouble(path, fmt::format("others may enter it (mode {:o}, owner {}): it must be one's "
                                     "own, with mode 700",
                                     status.st_mode & 0777, status.st_uid));
  }
  struct statfs system {};
  if (statfs(path.c_str(), &system) != 0) return Trouble(path, std::strerror(errno));
  if (const char* name = NetworkFileSystem(system.f_type)) {
    return Trouble(path, fmt::format("lies on a network file system ({}), where locks do not hold: "
                                     "choose one on a local disk",
                                     name));
  }
  const std::string lock = path + "/lock";
  const int fd = open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return Trouble(path, fmt::format("cannot be written: {}", std::strerror(errno)));
  StateDir taken(path, fd);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    return Trouble(path, fmt::format("another broker has it (pid {})", ReadPid(fd)));
  }
  const std::string pid = std::to_string(getpid()) + "\n";
  if (ftruncate(fd, 0) != 0 || pwrite(fd, pid.data(), pid.size(), 0) < 0) {
    return Trouble(path, fmt::format("cannot be written: {}", std::strerror(errno)));
  }
  return taken;
}

StateDir::StateDir(StateDir&& other) noexcept
    : path_(std::move(other.path_)), lock_fd_(std::exchange(other.lock_fd_, -1)) {}

StateDir& StateDir::operator=(StateDir&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(lock_fd_, other.lock_fd_);
  return *this;
}

StateDir::~StateDir() {
  if (lock_fd_ >= 0) close(lock_fd_);
}

}  // namespace bellis
