#include "broker/launcher/worker_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>

#include "common/files/private_file.h"
#include "common/machine.h"
#include "common/text/printable.h"

namespace bellis {
namespace {

/// The current time, as in 2026-11-27T04:05:07+01:00.
std::string LocalTime() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  std::array<char, 64> text{};
  const size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S%z", &local);
  std::string time(text.data(), size);
  // ISO 8601 requires a colon in the zone if the time has colons.
  if (size > 2) time.insert(size - 2, ":");
  return time;
}

std::string Heading(const LogLabel& label) {
  std::string text = fmt::format("[bellis {}: job {}", LocalTime(), Printable(label.job));
  if (!label.run.empty()) text += fmt::format(", run {}", Printable(label.run));
  text += fmt::format(", task {}, worker {}", Printable(label.task), label.worker.value);
  if (!label.duty.empty() && label.duty != "work") text += ", duty " + Printable(label.duty);
  if (!label.slot.empty()) text += ", slot " + Printable(label.slot);
  return text + fmt::format(", host {}, pid ", Printable(HostName()));
}

}  // namespace

std::string EscapeForPath(std::string_view text) {
  if (text == ".") return "%2E";
  if (text == "..") return "%2E%2E";
  std::string escaped;
  for (const char c : text) {
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

std::string LogBase(std::string_view log_dir) {
  return std::string(log_dir.empty() ? kDefaultLogDir : log_dir);
}

std::string TaskLogDir(std::string_view log_dir, std::string_view task) {
  return fmt::format("{}/{}", log_dir, EscapeForPath(task));
}

std::string LogStem(const LogLabel& label) {
  std::string folder = LogBase(label.log_dir);
  if (!label.run.empty()) folder += "/" + EscapeForPath(label.run);
  return fmt::format("{}/worker_{}", TaskLogDir(folder, label.task), label.worker.value);
}

Result<WorkerLog> WorkerLog::Open(const LogLabel& label) {
  const std::string stem = LogStem(label);
  WorkerLog log;
  log.stdout_.path = stem + ".out";
  log.stderr_.path = stem + ".err";
  for (File* file : {&log.stdout_, &log.stderr_}) {
    Result<Fd> opened = OpenLogFile(file->path, O_WRONLY | O_CREAT, /*make_parents=*/true);
    if (!opened.ok()) {
      return Error{opened.error().code, fmt::format("log file {}", opened.error().message)};
    }
    file->fd = std::move(*opened);
    if (fstat(file->fd.get(), &file->at_open) != 0) {
      return Error{ErrorCode::kIo, fmt::format("log file {}: {}", file->path, strerror(errno))};
    }
  }
  log.heading_ = Heading(label);
  return log;
}

std::string WorkerLog::HeadingOf(const std::string& heading, pid_t pid) {
  return heading + std::to_string(pid) + "]\n";
}

void WorkerLog::Started(pid_t pid) {
  pid_ = pid;
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
  const off_t heading = pid_ == 0 ? 0 : static_cast<off_t>(HeadingOf(heading_, pid_).size());
  // Someone may have truncated the file meanwhile.
  const off_t begin = std::min(stderr_.at_open.st_size + heading, status.st_size);
  const off_t size = std::min(status.st_size - begin, static_cast<off_t>(kStderrTailBytesMax));
  std::string tail(static_cast<size_t>(size), '\0');
  const ssize_t got = pread(fd.get(), tail.data(), tail.size(), status.st_size - size);
  tail.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return tail;
}

}  // namespace bellis
