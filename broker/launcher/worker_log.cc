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

}  // namespace

std::string TaskLogDir(std::string_view log_dir, std::string_view task) {
  return fmt::format("{}/{}", log_dir, EscapeTaskId(task));
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
  for (const File* file : {&stdout_, &stderr_}) TrimLogFile(file->path, file->at_open);
}

std::string WorkerLog::StderrTail() const {
  struct stat status {};
  const Fd fd = OpenSeen(stderr_.path, O_RDONLY, stderr_.at_open, &status);
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
