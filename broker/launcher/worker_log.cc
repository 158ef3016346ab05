#include "broker/launcher/worker_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "common/files/private_file.h"

namespace bellis {
namespace {

std::string EscapeTaskId(std::string_view task) {
  if (task == ".") return "%2E";
  if (task == "..") return "%2E%2E";
  std::string escaped;
  for (const char c : task) {
    if (c == '/') {
      escaped += "%2F";
    } else if (c == '%') {
      escaped += "%25";
    } else if (c == '\0') {
      escaped += "%00";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

bool IsSame(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

void TrimOpenLog(int fd, const struct stat& status) {
  if (int64_t{status.st_blocks} * 512 <= kLogBytesMax) return;
  // Whole pieces of the file system's blocks, wherever those are smaller than this.
  const off_t middle = (status.st_size - kLogHeadBytes - kLogTailBytes) / kLogHeadBytes;
  const off_t bytes = middle * kLogHeadBytes;
  if (fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, kLogHeadBytes, bytes) == 0 ||
      fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, kLogHeadBytes, bytes) == 0) {
    const auto at = kLogHeadBytes - static_cast<off_t>(kLogCutNotice.size());
    static_cast<void>(!pwrite(fd, kLogCutNotice.data(), kLogCutNotice.size(), at));
  }
}

/// Opens what was opened before; none if another file has its name by now.
Fd OpenAgain(const std::string& path, int flags, const struct stat* before, struct stat* status) {
  Result<Fd> file = OpenLogFile(path, flags);
  if (!file.ok() || fstat(file->get(), status) != 0) return Fd();
  if (before != nullptr && !IsSame(*before, *status)) return Fd();
  // In append mode Linux writes at the end, whatever the place: the notice has one.
  if (fcntl(file->get(), F_SETFL, 0) != 0) return Fd();
  return std::move(*file);
}

}  // namespace

std::string TaskLogDir(std::string_view log_dir, std::string_view task) {
  return fmt::format("{}/{}", log_dir, EscapeTaskId(task));
}

void TrimLogFile(const std::string& path) {
  struct stat status {};
  const Fd file = OpenAgain(path, O_RDWR, nullptr, &status);
  if (file.ok()) TrimOpenLog(file.get(), status);
}

Result<WorkerLog> WorkerLog::Open(std::string_view log_dir, std::string_view task,
                                  WorkerId worker) {
  const std::string dir = TaskLogDir(log_dir.empty() ? kDefaultLogDir : log_dir, task);
  std::error_code error;
  std::filesystem::create_directories(dir, error);
  if (error) {
    return Error{ErrorCode::kIo, fmt::format("log directory \"{}\": {}", dir, error.message())};
  }
  WorkerLog log;
  const std::string stem = fmt::format("{}/worker_{}", dir, worker.value);
  log.stdout_.path = stem + ".out";
  log.stderr_.path = stem + ".err";
  for (File* file : {&log.stdout_, &log.stderr_}) {
    Result<Fd> opened = OpenLogFile(file->path, O_WRONLY | O_CREAT);
    if (!opened.ok()) {
      return Error{opened.error().code, fmt::format("log file {}", opened.error().message)};
    }
    file->fd = std::move(*opened);
    if (fstat(file->fd.get(), &file->at_open) != 0) {
      return Error{ErrorCode::kIo, fmt::format("log file {}: {}", file->path, strerror(errno))};
    }
  }
  return log;
}

void WorkerLog::CloseFds() {
  stdout_.fd = Fd();
  stderr_.fd = Fd();
}

void WorkerLog::Trim() const {
  for (const File* file : {&stdout_, &stderr_}) {
    struct stat status {};
    const Fd fd = OpenAgain(file->path, O_RDWR, &file->at_open, &status);
    if (fd.ok()) TrimOpenLog(fd.get(), status);
  }
}

std::string WorkerLog::StderrTail() const {
  struct stat status {};
  const Fd fd = OpenAgain(stderr_.path, O_RDONLY, &stderr_.at_open, &status);
  if (!fd.ok()) return "";
  // Someone may have truncated the file meanwhile.
  const off_t begin = std::min(stderr_.at_open.st_size, status.st_size);
  const off_t size = std::min(status.st_size - begin, static_cast<off_t>(kStderrTailBytesMax));
  std::string tail(static_cast<size_t>(size), '\0');
  const ssize_t got = pread(fd.get(), tail.data(), tail.size(), status.st_size - size);
  tail.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return tail;
}

}  // namespace bellis
