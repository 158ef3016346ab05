#include "broker/launcher/launcher_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "broker/launcher/child_process.h"
#include "broker/launcher/process_table.h"
#include "broker/launcher/process_tree.h"
#include "common/files/private_file.h"

namespace bellis {
namespace {

constexpr char kProgram[] = "bellis-launcher";
constexpr Duration kEndPatience = Duration::Millis(3000);
constexpr Duration kLeftoverPatience = Duration::Millis(2000);

std::string FindExecutable(const std::string& wanted) {
  if (!wanted.empty()) return wanted;
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::string beside = (self.parent_path() / kProgram).string();
  // kProgram has no '/', so it is looked up in PATH.
  return !error && access(beside.c_str(), X_OK) == 0 ? beside : kProgram;
}

// A descriptor that is readable when `pid`, a child that is not reaped, has ended; -1 before Linux
// 5.3.
int OpenPidFd([[maybe_unused]] pid_t pid) {
#ifdef SYS_pidfd_open
  return static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
#else
  return -1;
#endif
}

}  // namespace

Result<LauncherProcess> LauncherProcess::Start(const LauncherOptions& options) {
  Result<std::vector<std::string>> env = EnvironmentWith(AccessVariables(options.access));
  if (!env.ok()) return env.error();

  ChildCommand command;
  command.argv = {FindExecutable(options.executable),
                  "--endpoint",
                  options.access.endpoint,
                  "--parent-fd",
                  "3",
                  "--parent-pid",
                  std::to_string(getpid()),
                  "--log-level",
                  options.log_level};
  if (options.linger > Duration()) {
    command.argv.insert(command.argv.end(),
                        {"--linger", fmt::format("{}", options.linger.seconds())});
  }
  if (options.former_pid > 0) {
    command.argv.insert(command.argv.end(), {"--former-pid", std::to_string(options.former_pid)});
  }
  command.env = std::move(env.value());
  // The launcher is ended through the pipe, so that it can end its workers: a kill would leave the
  // workers' children behind.
  command.die_with_parent = false;
  command.stderr_fd = STDERR_FILENO;
  int log_fd = -1;
  if (!options.log_file.empty()) {
    Result<Fd> log = OpenLogFile(options.log_file, O_WRONLY | O_CREAT);
    if (!log.ok()) return Error{log.error().code, "launcher's log file " + log.error().message};
    log_fd = log->Release();
    command.stderr_fd = log_fd;
  } else if (fcntl(STDERR_FILENO, F_GETFD) < 0) {
    command.stderr_fd = -1;  // this process has none
  }
  int pipe_fds[2];
  Result<pid_t> pid = Error{ErrorCode::kIo, ""};
  // A pair of sockets and not a pipe: a write to a launcher that has ended must not raise SIGPIPE.
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pipe_fds) != 0) {
    pid = Error{ErrorCode::kIo, fmt::format("pipe to the launcher: {}", strerror(errno))};
  } else {
    command.fd3 = pipe_fds[0];
    pid = StartChild(command);
    close(pipe_fds[0]);
    if (!pid.ok()) close(pipe_fds[1]);
  }
  if (log_fd >= 0) close(log_fd);
  if (!pid.ok()) return pid.error();
  return LauncherProcess(*pid, pipe_fds[1]);
}

LauncherProcess::LauncherProcess(pid_t pid, int pipe_fd)
    : pid_(pid),
      pipe_fd_(pipe_fd),
      worker_tag_prefix_(WorkerTagPrefix(pid)),  // it is not reaped, so /proc has its entry
      ended_(false) {}

LauncherProcess::LauncherProcess(LauncherProcess&& other) noexcept { *this = std::move(other); }

LauncherProcess& LauncherProcess::operator=(LauncherProcess&& other) noexcept {
  if (this == &other) return *this;
  End();
  pid_ = std::exchange(other.pid_, -1);
  pipe_fd_ = std::exchange(other.pipe_fd_, -1);
  worker_tag_prefix_ = std::exchange(other.worker_tag_prefix_, "");
  ended_ = std::exchange(other.ended_, true);
  exit_code_ = std::exchange(other.exit_code_, std::nullopt);
  return *this;
}

LauncherProcess::~LauncherProcess() { End(); }

void LauncherProcess::End() {
  if (pipe_fd_ >= 0) {
    // Tells the launcher to end, and not to wait for another broker. (A launcher that is gone reads
    // nothing.)
    [[maybe_unused]] const ssize_t sent = send(pipe_fd_, "e", 1, MSG_NOSIGNAL);
    close(pipe_fd_);
  }
  pipe_fd_ = -1;
  if (ended_ || Wait(kEndPatience)) return;
  kill(pid_, SIGKILL);
  Wait(kEndPatience);
}

bool LauncherProcess::Wait(Duration timeout) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point until = Clock::now() + std::chrono::nanoseconds(timeout.ns);
  int pid_fd = -1;
  while (!ended_) {
    int status = 0;
    const pid_t reaped = waitpid(pid_, &status, WNOHANG);
    if (reaped == pid_) {
      Ended(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
      break;
    }
    // Somebody else in this process reaped the launcher, or SIGCHLD is ignored: it is gone in
    // either case.
    if (reaped < 0 && errno == ECHILD) {
      Ended(std::nullopt);
      break;
    }
    const auto left_ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
    if (left_ms <= 0) break;
    if (pid_fd < 0) pid_fd = OpenPidFd(pid_);
    pollfd ended{pid_fd, POLLIN, 0};
    // Without a pidfd, looks every 10 ms (poll skips a negative descriptor).
    poll(&ended, 1, static_cast<int>(std::min<int64_t>(left_ms, pid_fd >= 0 ? 1000 : 10)));
  }
  if (pid_fd >= 0) close(pid_fd);
  return ended_;
}

void LauncherProcess::Ended(std::optional<int> exit_code) {
  ended_ = true;
  exit_code_ = exit_code;
  // A launcher that exits has ended all its descendants. If it was killed, the kernel ends only the
  // leaders of the workers, and a leader is often a script whose child is the actual worker.
  if (exit_code && *exit_code < 128) return;
  KillProcessesWith(kWorkerTagVariable, worker_tag_prefix_, kLeftoverPatience);
}

}  // namespace bellis
