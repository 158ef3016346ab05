#include "tools/private_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "common/files/private_dir.h"

namespace bellis {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPrefix = "bellis-run-";
constexpr const char* kLockName = "lock";
// An ipc socket's path has 107 bytes at most (sun_path), and the part after the base takes 40.
constexpr size_t kBaseBytesMax = 64;

std::string BaseDir() {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  // After `su`, the directory may belong to another user. libzmq opens sockets by name, so no other
  // user may be able to change what the name stands for.
  if (runtime != nullptr && runtime[0] == '/' && std::strlen(runtime) <= kBaseBytesMax &&
      ::access(runtime, W_OK | X_OK) == 0 &&
      OpenPrivateDir(runtime, /*make=*/false, OnTheWay::kTrusted).ok()) {
    return runtime;
  }
  return "/tmp";
}

/// Makes and locks the lock file of `dir`. It gets its name only after it is locked.
Result<int> MakeLock(const std::string& dir) {
  const std::string hidden = dir + "/lock.new";
  const std::string shown = dir + "/" + kLockName;
  const int fd = ::open(hidden.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0 && ::flock(fd, LOCK_EX | LOCK_NB) == 0 &&
      ::rename(hidden.c_str(), shown.c_str()) == 0) {
    return fd;
  }
  const Error error{ErrorCode::kIo, dir + ": " + std::strerror(errno)};
  if (fd >= 0) ::close(fd);
  return error;
}

}  // namespace

Result<PrivateDir> PrivateDir::Make() {
  const std::string base = BaseDir();
  SweepPrivateDirs(base);
  std::string path = base + "/" + kPrefix + "XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) {
    return Error{ErrorCode::kIo,
                 "cannot make a directory in " + base + ": " + std::strerror(errno)};
  }
  Result<int> lock = MakeLock(path);
  if (!lock.ok()) {
    std::error_code ignored;
    fs::remove_all(path, ignored);
    return lock.error();
  }
  return PrivateDir(path, *lock);
}

PrivateDir::PrivateDir(PrivateDir&& other) noexcept
    : path_(std::move(other.path_)), lock_fd_(other.lock_fd_) {
  other.lock_fd_ = -1;
}

PrivateDir::~PrivateDir() {
  if (lock_fd_ < 0) return;
  std::error_code ignored;
  fs::remove_all(path_, ignored);
  ::close(lock_fd_);
}

void SweepPrivateDirs(const std::string& base) {
  std::error_code error;
  for (fs::directory_iterator it(base, error), end; !error && it != end; it.increment(error)) {
    const std::string path = it->path().string();
    if (!it->path().filename().string().starts_with(kPrefix)) continue;
    // Only a directory that is private to this user, and that no other user can replace.
    const Result<Fd> dir = OpenPrivateDir(path, /*make=*/false, OnTheWay::kTrusted);
    if (!dir.ok()) continue;
    const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    const Fd lock(::openat(dir->get(), kLockName, flags));
    std::error_code ignored;
    if (lock.ok() && ::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) fs::remove_all(path, ignored);
  }
}

}  // namespace bellis
