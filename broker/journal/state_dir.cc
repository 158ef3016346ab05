#include "broker/journal/state_dir.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "common/files/private_dir.h"

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

/// In a directory that was once open to other users, files may belong to them or be links to
/// elsewhere. Now that the directory is private, only this user and root can add files, so checking
/// the names once is enough.
Status CheckFiles(const Fd& dir, const std::string& path) {
  for (const char* name : {"lock", "acknowledged", "progress.sqlite", "progress.sqlite-wal",
                           "progress.sqlite-shm", "progress.sqlite-journal"}) {
    struct stat info {};
    if (fstatat(dir.get(), name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (S_ISREG(info.st_mode) && info.st_uid == geteuid() && info.st_nlink == 1) continue;
    return Trouble(path, fmt::format("holds \"{}\", which is no file of yours alone (mode {:o}, "
                                     "owner {}, names {}): remove it, or choose another directory",
                                     name, info.st_mode, info.st_uid, info.st_nlink));
  }
  return OkStatus();
}

}  // namespace

const char* NetworkFileSystem(int64_t type) {
  // The numbers are from linux/magic.h and the manual page of statfs; some are in no header.
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
    case 0x65735546: return "FUSE";  // sshfs and similar; a local FUSE looks the same
    default: return nullptr;
  }
}

Result<StateDir> StateDir::Take(const std::string& path) {
  Result<Fd> dir = OpenPrivateDir(path, /*make=*/true, OnTheWay::kAnyone);
  if (!dir.ok()) return Trouble(path, dir.error().message);
  struct statfs system {};
  if (fstatfs(dir->get(), &system) != 0) return Trouble(path, std::strerror(errno));
  if (const char* name = NetworkFileSystem(system.f_type)) {
    return Trouble(path, fmt::format("lies on a network file system ({}), where locks do not hold: "
                                     "choose one on a local disk",
                                     name));
  }
  if (const Status planted = CheckFiles(*dir, path); !planted.ok()) return planted.error();
  const int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  Fd lock(openat(dir->get(), "lock", flags, 0600));
  if (!lock.ok()) return Trouble(path, fmt::format("cannot be written: {}", std::strerror(errno)));
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return Trouble(path, fmt::format("another broker has it (pid {})", ReadPid(lock.get())));
  }
  const std::string pid = std::to_string(getpid()) + "\n";
  if (ftruncate(lock.get(), 0) != 0 || pwrite(lock.get(), pid.data(), pid.size(), 0) < 0) {
    return Trouble(path, fmt::format("cannot be written: {}", std::strerror(errno)));
  }
  return StateDir(path, std::move(*dir), std::move(lock));
}

std::string StateDir::Inside(const std::string& name) const { return InsideDir(dir_, name); }

}  // namespace bellis
