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

int OpenToAppend(const std::string& path) {
  return open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666);
}

}  // namespace

std::string TaskLogDir(std::string_view log_dir, std::string_view task) {
  return fmt::format("{}/{}", log_dir, EscapeTaskId(task));
}

void TrimLogFile(const std::string& path) {
  struct stat status;
  if (stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return;
  if (int64_t{status.st_blocks} * 512 <= kLogBytesMax) return;
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (fd < 0) return;
  // Whole pieces of the file system's blocks, wherever those are smaller than this.
  const off_t middle = (status.st_size - kLogHeadBytes - kLogTailBytes) / kLogHeadBytes;
  const off_t bytes = middle * kLogHeadBytes;
  if (fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, kLogHeadBytes, bytes) == 0 ||
      fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, kLogHeadBytes, bytes) == 0) {
    const auto at = kLogHeadBytes - static_cast<off_t>(kLogCutNotice.size());
    static_cast<void>(!pwrite(fd, kLogCutNotice.data(), kLogCutNotice.size(), at));
  }
  close(fd);
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
  log.stdout_path_ = stem + ".out";
  log.stderr_path_ = stem + ".err";
  log.stdout_fd_ = OpenToAppend(log.stdout_path_);
  if (log.stdout_fd_ < 0) {
    return Error{ErrorCode::kIo, fmt::format("log file \"{}.out\": {}", stem, strerror(errno))};
  }
  log.stderr_fd_ = OpenToAppend(log.stderr_path_);
  if (log.stderr_fd_ < 0) {
    return Error{ErrorCode::kIo, fmt::format("log file \"{}.err\": {}", stem, strerror(errno))};
  }
  struct stat status;
  if (fstat(log.stderr_fd_, &status) == 0) log.stderr_begin_ = status.st_size;
  return log;
}

WorkerLog::WorkerLog(WorkerLog&& other) noexcept { *this = std::move(other); }

WorkerLog& WorkerLog::operator=(WorkerLog&& other) noexcept {
  std::swap(stdout_path_, other.stdout_path_);
  std::swap(stderr_path_, other.stderr_path_);
  std::swap(stderr_begin_, other.stderr_begin_);
  std::swap(stdout_fd_, other.stdout_fd_);
  std::swap(stderr_fd_, other.stderr_fd_);
  return *this;
}

WorkerLog::~WorkerLog() { CloseFds(); }

void WorkerLog::CloseFds() {
  for (int* fd : {&stdout_fd_, &stderr_fd_}) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
  }
}

void WorkerLog::Trim() const {
  for (const std::string& path : {stdout_path_, stderr_path_}) TrimLogFile(path);
}

std::string WorkerLog::StderrTail() const {
  const int fd = open(stderr_path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (fd < 0) return "";
  std::string tail;
  struct stat status;
  if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
    // Someone may have truncated the file meanwhile.
    const off_t begin = std::min(stderr_begin_, status.st_size);
    const off_t size = std::min(status.st_size - begin, static_cast<off_t>(kStderrTailBytesMax));
    tail.resize(static_cast<size_t>(size));
    const ssize_t got = pread(fd, tail.data(), tail.size(), status.st_size - size);
    tail.resize(got > 0 ? static_cast<size_t>(got) : 0);
  }
  close(fd);
  return tail;
}

}  // namespace bellis
