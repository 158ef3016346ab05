#include "tools/conformance/worker_program.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "broker/launcher/child_process.h"
#include "broker/launcher/process_table.h"
#include "broker/launcher/process_tree.h"

namespace bellis::conformance {
namespace {

constexpr Duration kKillTime = Duration::Seconds(5);

Error SystemError(const std::string& what) {
  return Error{ErrorCode::kIo, what + ": " + std::strerror(errno)};
}

}  // namespace

Result<WorkerProgram> WorkerProgram::Start(const std::vector<std::string>& command,
                                           Environment added, const std::string& tag) {
  added[kWorkerTagVariable] = tag;
  const Result<std::vector<std::string>> env = EnvironmentWith(added);
  if (!env.ok()) return env.error();
  Fd output(::memfd_create("worker-output", MFD_CLOEXEC));
  if (!output.ok()) return SystemError("memfd_create");
  ChildCommand child{command, *env};
  child.stdout_fd = child.stderr_fd = output.get();
  const Result<pid_t> pid = StartChild(child);
  if (!pid.ok()) return pid.error();
  Fd end(static_cast<int>(::syscall(SYS_pidfd_open, *pid, 0)));
  return WorkerProgram(*pid, std::move(end), std::move(output), tag);
}

WorkerProgram::WorkerProgram(pid_t pid, Fd end, Fd output, std::string tag)
    : pid_(pid), end_(std::move(end)), output_(std::move(output)), tag_(std::move(tag)) {}

WorkerProgram::WorkerProgram(WorkerProgram&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)),
      end_(std::move(other.end_)),
      output_(std::move(other.output_)),
      tag_(std::move(other.tag_)),
      status_(other.status_) {}

WorkerProgram::~WorkerProgram() {
  if (pid_ == 0) return;
  Signal(SIGKILL);
  KillProcessesWith(kWorkerTagVariable, tag_, kKillTime);
  if (!status_) ::waitpid(pid_, nullptr, 0);
  for (const pid_t orphan : ProcessTree().Children(::getpid())) {
    const auto process = ReadProcess(orphan);
    if (process && process->session == pid_) ::waitpid(orphan, nullptr, 0);
  }
}

bool WorkerProgram::Ended() {
  int status = 0;
  if (!status_ && ::waitpid(pid_, &status, WNOHANG) == pid_) status_ = status;
  return status_.has_value();
}

std::optional<int> WorkerProgram::exit_code() const {
  if (!status_ || !WIFEXITED(*status_)) return std::nullopt;
  return WEXITSTATUS(*status_);
}

std::string WorkerProgram::EndText() const {
  if (const auto code = exit_code()) return "exited with code " + std::to_string(*code);
  const int signal = WTERMSIG(status_.value_or(0));
  return "was ended by signal " + std::to_string(signal) + " (" + ::strsignal(signal) + ")";
}

std::vector<pid_t> WorkerProgram::Living() const {
  std::vector<pid_t> living;
  for (const pid_t pid : ProcessTree().Descendants(::getpid())) {
    const auto process = ReadProcess(pid);
    const bool ended = !process || process->state == 'Z' || process->state == 'X';
    if (!ended && process->session == pid_) living.push_back(pid);
  }
  return living;
}

std::string WorkerProgram::Names(const std::vector<pid_t>& pids) {
  std::string names;
  for (const pid_t pid : pids) {
    std::string name;
    std::getline(std::ifstream("/proc/" + std::to_string(pid) + "/comm"), name);
    names += (names.empty() ? "" : ", ") + std::to_string(pid) + " (" + name + ")";
  }
  return names;
}

void WorkerProgram::Signal(int signal) const {
  for (const pid_t pid : Living()) ::kill(pid, signal);
}

std::string WorkerProgram::OutputTail(size_t bytes_max) const {
  struct stat info = {};
  if (::fstat(output_.get(), &info) != 0) return "";
  const auto size = static_cast<size_t>(info.st_size);
  std::string text(std::min(size, bytes_max), '\0');
  const auto offset = static_cast<off_t>(size - text.size());
  const ssize_t got = ::pread(output_.get(), text.data(), text.size(), offset);
  text.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return text;
}

}  // namespace bellis::conformance
