#include "broker/launcher/log_trim.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "common/files/private_file.h"

namespace bellis {

Fd OpenSeen(const std::string& path, int flags, const struct stat& seen, struct stat* now) {
  Result<Fd> file = OpenLogFile(path, flags);
  if (!file.ok() || fstat(file->get(), now) != 0) return Fd();
  if (now->st_dev != seen.st_dev || now->st_ino != seen.st_ino) return Fd();
  return std::move(*file);
}

void TrimLogFile(const std::string& path, const struct stat& seen) {
  struct stat now {};
  const Fd file = OpenSeen(path, O_RDWR, seen, &now);
  if (!file.ok() || int64_t{now.st_blocks} * 512 <= kLogBytesMax) return;
  // Clears append mode: with it, Linux would write the notice at the end of the file.
  if (fcntl(file.get(), F_SETFL, 0) != 0) return;
  // Cuts a multiple of kLogHeadBytes, which is a multiple of the file system's block size.
  const off_t middle = (now.st_size - kLogHeadBytes - kLogTailBytes) / kLogHeadBytes;
  const off_t bytes = middle * kLogHeadBytes;
  if (fallocate(file.get(), FALLOC_FL_COLLAPSE_RANGE, kLogHeadBytes, bytes) == 0 ||
      fallocate(file.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, kLogHeadBytes, bytes) ==
          0) {
    const auto at = kLogHeadBytes - static_cast<off_t>(kLogCutNotice.size());
    static_cast<void>(!pwrite(file.get(), kLogCutNotice.data(), kLogCutNotice.size(), at));
  }
}

Writers WritersOf(int fd) {
  // Linux grants a read lease only while nobody has the file open for writing. A process that opens
  // the file before the lease is returned causes a signal here, by default one that ends the
  // process.
  if (fcntl(fd, F_SETSIG, SIGURG) != 0) return Writers::kUnknown;
  if (fcntl(fd, F_SETLEASE, F_RDLCK) != 0) {
    return errno == EAGAIN ? Writers::kSome : Writers::kUnknown;
  }
  return fcntl(fd, F_SETLEASE, F_UNLCK) == 0 ? Writers::kNone : Writers::kUnknown;
}

}  // namespace bellis
