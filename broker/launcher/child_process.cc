#include "broker/launcher/child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

namespace bellis {
namespace {

constexpr int kStartTimeoutMs = 30'000;
// Room for a pid and the end of the line.
constexpr size_t kPidRoom = 24;
// The path that execvp searches if there is no PATH.
constexpr std::string_view kDefaultPath = "/bin:/usr/bin";
// The child moves its descriptors out of the way of 0..3 before it puts them there.
constexpr int kFirstSpareFd = 16;
// Where close_range is missing (Linux before 5.11), descriptors up to here are closed one by one.
constexpr rlim_t kCloseFdsMax = 1 << 20;

enum class Stage : int { kParentGone, kDescriptors, kChdir, kExec };

// The child writes this to the pipe if it fails. End of file without a Failure means success.
struct Failure {
  Stage stage;
  int error;
};

// All data that the child needs, prepared before the fork.
struct ExecPlan {
  std::vector<std::string> candidates;  // paths to try, in the order of PATH
  std::vector<const char*> candidate_ptrs;
  std::vector<char*> argv;
  std::vector<char*> envp;
  const char* cwd = nullptr;
  int fds[4] = {-1, -1, -1, -1};
  int failure_fd = -1;
  std::string first_line;  // with room for kPidRoom more bytes
  int close_fds_end = 0;
  pid_t parent = 0;
  bool die_with_parent = true;
};

class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { Reset(-1); }
  int get() const { return fd_; }
  void Reset(int fd) {
    if (fd_ >= 0) close(fd_);
    fd_ = fd;
  }

 private:
  int fd_;
};

// ---- in the child: async-signal-safe calls only, no allocation ----

[[noreturn]] void Fail(const ExecPlan& plan, Stage stage, int error) {
  const Failure failure{stage, error};
  // Shorter than PIPE_BUF, so it arrives whole or not at all. A failed write cannot be reported to
  // anybody.
  [[maybe_unused]] const ssize_t written = write(plan.failure_fd, &failure, sizeof(failure));
  _exit(127);
}

void ResetSignals() {
  struct sigaction action;
  std::memset(&action, 0, sizeof(action));
  action.sa_handler = SIG_DFL;
  // This fails for KILL, STOP and two signals of libc, which need no reset.
  for (int signal = 1; signal < NSIG; ++signal) sigaction(signal, &action, nullptr);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

void PlaceDescriptors(ExecPlan& plan) {
  const auto move_away = [&plan](int& fd) {
    fd = fcntl(fd, F_DUPFD_CLOEXEC, kFirstSpareFd);
    if (fd < 0) Fail(plan, Stage::kDescriptors, errno);
  };
  move_away(plan.failure_fd);
  for (int& fd : plan.fds) {
    if (fd >= 0) move_away(fd);
  }
  unsigned first_closed = 3;
  for (int target = 0; target < 4; ++target) {
    if (plan.fds[target] < 0) continue;
    if (dup2(plan.fds[target], target) < 0) Fail(plan, Stage::kDescriptors, errno);
    first_closed = std::max(first_closed, static_cast<unsigned>(target) + 1);
  }
  // Closes them on exec and not now, because the failure pipe is still needed.
  if (syscall(SYS_close_range, first_closed, ~0U, CLOSE_RANGE_CLOEXEC) == 0) return;
  for (int fd = static_cast<int>(first_closed); fd < plan.close_fds_end; ++fd) {
    fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
}

/// A failure is ignored: a log that cannot be written does not keep a worker from its work.
void WriteFirstLine(ExecPlan& plan) {
  if (plan.first_line.empty()) return;
  std::array<char, kPidRoom> digits;
  size_t count = 0;
  for (pid_t pid = getpid(); pid > 0 && count < digits.size(); pid /= 10) {
    digits[count++] = static_cast<char>('0' + pid % 10);
  }
  while (count > 0) plan.first_line += digits[--count];
  plan.first_line += "]\n";
  for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) {
    static_cast<void>(!write(fd, plan.first_line.data(), plan.first_line.size()));
  }
}

[[noreturn]] void RunChild(ExecPlan& plan) {
  setsid();  // cannot fail: a new child leads no process group
  if (plan.die_with_parent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    // The parent may have died before the line above; then no signal will come.
    if (getppid() != plan.parent) Fail(plan, Stage::kParentGone, ESRCH);
  }
  ResetSignals();
  PlaceDescriptors(plan);
  if (plan.cwd != nullptr && chdir(plan.cwd) != 0) Fail(plan, Stage::kChdir, errno);
  WriteFirstLine(plan);

  // As execvp does: tries the next candidate if one does not exist, and prefers to report a file
  // that exists but may not be run.
  int error = ENOENT;
  for (const char* path : plan.candidate_ptrs) {
    execve(path, plan.argv.data(), plan.envp.data());
    if (errno == EACCES) {
      error = EACCES;
    } else if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP && errno != ENAMETOOLONG) {
      Fail(plan, Stage::kExec, errno);
    }
  }
  Fail(plan, Stage::kExec, error);
}

// ---- in the parent ----

std::string_view PathOf(const std::vector<std::string>& env) {
  for (const std::string& entry : env) {
    if (entry.starts_with("PATH=")) return std::string_view(entry).substr(5);
  }
  return kDefaultPath;
}

std::vector<std::string> CandidatePaths(const std::string& program, std::string_view path) {
  if (program.find('/') != std::string::npos) return {program};
  std::vector<std::string> candidates;
  size_t begin = 0;
  while (true) {
    const size_t end = std::min(path.find(':', begin), path.size());
    const std::string_view dir = path.substr(begin, end - begin);
    candidates.push_back(dir.empty() ? program : fmt::format("{}/{}", dir, program));
    if (end == path.size()) break;
    begin = end + 1;
  }
  return candidates;
}

bool HasNul(const std::vector<std::string>& texts) {
  return std::any_of(texts.begin(), texts.end(),
                     [](const std::string& text) { return text.find('\0') != std::string::npos; });
}

Error CannotStart(const ChildCommand& command, int error, const std::string& why) {
  return Error{error == ENOENT || error == ENOTDIR ? ErrorCode::kNotFound : ErrorCode::kIo,
               fmt::format("cannot start \"{}\": {}", command.argv[0], why)};
}

// An absolute or relative path as the child saw it, from its working directory.
std::string SeenFrom(const std::string& cwd, const std::string& path) {
  return cwd.empty() || path.starts_with('/') ? path : cwd + "/" + path;
}

Error Describe(const ChildCommand& command, const ExecPlan& plan, const Failure& failure) {
  const std::string what = std::strerror(failure.error);
  switch (failure.stage) {
    case Stage::kParentGone: return CannotStart(command, failure.error, "its parent has ended");
    case Stage::kDescriptors:
      return CannotStart(command, failure.error, "setting up its descriptors: " + what);
    case Stage::kChdir:
      return CannotStart(command, failure.error,
                         fmt::format("working directory \"{}\": {}", command.cwd, what));
    case Stage::kExec: break;
  }
  std::string hint;
  if (failure.error == ENOEXEC) {
    hint = " (neither a program for this machine nor a script with a \"#!\" line)";
  } else if (failure.error == ENOENT) {
    const auto exists = [&](const std::string& path) {
      return access(SeenFrom(command.cwd, path).c_str(), F_OK) == 0;
    };
    if (std::any_of(plan.candidates.begin(), plan.candidates.end(), exists)) {
      hint = " (the file is there; the interpreter of its \"#!\" line, or its loader, is not)";
    } else if (command.argv[0].find('/') == std::string::npos) {
      hint = fmt::format(" (looked in PATH={})", PathOf(command.env));
    }
  }
  return CannotStart(command, failure.error, what + hint);
}

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  // exec takes char* for historical reasons and changes nothing.
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// Waits for the child's Failure, or for end of file, which means success: exec has closed the pipe.
Result<pid_t> AwaitExec(const ChildCommand& command, const ExecPlan& plan, pid_t pid, int fd) {
  pollfd readable{fd, POLLIN, 0};
  int ready;
  do {
    ready = poll(&readable, 1, kStartTimeoutMs);
  } while (ready < 0 && errno == EINTR);
  if (ready <= 0) {
    kill(pid, SIGKILL);
    // Does not wait for the child any longer: it hangs in the kernel (because of a dead file
    // server, say), perhaps for long.
    waitpid(pid, nullptr, WNOHANG);
    return CannotStart(command, EIO,
                       "it did not begin to run within 30 s (a hanging file system?)");
  }
  Failure failure;
  ssize_t size;
  do {
    size = read(fd, &failure, sizeof(failure));
  } while (size < 0 && errno == EINTR);
  if (size != sizeof(failure)) return pid;
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  return Describe(command, plan, failure);
}

}  // namespace

Result<pid_t> StartChild(const ChildCommand& command) {
  if (command.argv.empty() || command.argv[0].empty()) {
    return Error{ErrorCode::kInvalidSpec, "cannot start a command that is empty"};
  }
  if (HasNul(command.argv) || HasNul(command.env) || HasNul({command.cwd})) {
    return Error{ErrorCode::kInvalidSpec,
                 fmt::format("cannot start \"{}\": its command, environment or working directory "
                             "holds a NUL character",
                             command.argv[0].c_str())};
  }

  Fd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  int pipe_fds[2];
  if (null.get() < 0 || pipe2(pipe_fds, O_CLOEXEC) != 0) {
    return CannotStart(command, EIO, std::strerror(errno));
  }
  Fd failure_read(pipe_fds[0]);
  Fd failure_write(pipe_fds[1]);

  ExecPlan plan;
  plan.candidates = CandidatePaths(command.argv[0], PathOf(command.env));
  for (const std::string& path : plan.candidates) plan.candidate_ptrs.push_back(path.c_str());
  plan.argv = Pointers(command.argv);
  plan.envp = Pointers(command.env);
  plan.cwd = command.cwd.empty() ? nullptr : command.cwd.c_str();
  plan.fds[0] = command.stdin_fd >= 0 ? command.stdin_fd : null.get();
  plan.fds[1] = command.stdout_fd >= 0 ? command.stdout_fd : null.get();
  plan.fds[2] = command.stderr_fd >= 0 ? command.stderr_fd : null.get();
  plan.fds[3] = command.fd3;
  plan.failure_fd = failure_write.get();
  plan.first_line.reserve(command.first_line.size() + kPidRoom);
  plan.first_line = command.first_line;
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  plan.close_fds_end = static_cast<int>(std::min(files.rlim_cur, kCloseFdsMax));
  plan.parent = getpid();
  plan.die_with_parent = command.die_with_parent;

  // Signals are blocked across the fork, so that no handler of this process ever runs in the child.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = fork();
  if (pid == 0) RunChild(plan);
  const int fork_error = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) {
    return CannotStart(command, fork_error, std::string("fork: ") + std::strerror(fork_error));
  }
  failure_write.Reset(-1);
  return AwaitExec(command, plan, pid, failure_read.get());
}

Result<std::vector<std::string>> EnvironmentWith(const Environment& added) {
  for (const auto& [name, value] : added) {
    if (name.empty() || name.find('=') != std::string::npos ||
        name.find('\0') != std::string::npos || value.find('\0') != std::string::npos) {
      return Error{ErrorCode::kInvalidSpec,
                   fmt::format("environment variable \"{}\": a name must not be empty or hold '=', "
                               "and neither name nor value a NUL character",
                               name.c_str())};
    }
  }
  std::vector<std::string> env;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    if (!added.contains(std::string(text.substr(0, text.find('='))))) env.emplace_back(text);
  }
  for (const auto& [name, value] : added) env.push_back(name + "=" + value);
  return env;
}

}  // namespace bellis
