#include "tools/block_command.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string_view>

#include "client/cpp/connection.h"
#include "tools/interrupt.h"

namespace bellis {
namespace {

constexpr size_t kTailBytesMax = 4096;
constexpr int kPollMsMax = 100;
constexpr Duration kTermGrace = Duration::Seconds(5);

Error SystemError(const std::string& what) {
  return Error{ErrorCode::kIo, what + ": " + std::strerror(errno)};
}

/// A descriptor, which is closed at the end.
struct Fd {
  int fd = -1;
  Fd() = default;
  explicit Fd(int f) : fd(f) {}
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { Close(); }
  void Close() {
    if (fd >= 0) ::close(fd);
    fd = -1;
  }
};

bool WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

std::string Numbers(const Coordinate& coordinate) {
  return fmt::format("{}", fmt::join(coordinate.begin(), coordinate.end(), " "));
}

nlohmann::ordered_json RoiJson(const Roi& roi) {
  return {{"offset", std::vector<int64_t>(roi.offset().begin(), roi.offset().end())},
          {"shape", std::vector<int64_t>(roi.shape().begin(), roi.shape().end())}};
}

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

/// The environment of this process, with these variables added.
std::vector<std::string> ChildEnvironment(std::vector<std::string> all) {
  const size_t added = all.size();
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::string_view name = text.substr(0, text.find('=') + 1);
    const bool replaced = std::any_of(all.begin(), all.begin() + static_cast<ptrdiff_t>(added),
                                      [&](const auto& own) { return own.starts_with(name); });
    if (!replaced) all.emplace_back(text);
  }
  return all;
}

/// Everything that the child needs between fork and exec, where it must not allocate.
struct Launch {
  const char* path;
  std::vector<char*> argv;
  std::vector<char*> envp;
  std::vector<char*> shell_argv;  // for a script without "#!", as with execvp
  int stdin_fd;
  int stderr_fd;
  pid_t parent;
};

[[noreturn]] void BecomeChild(Launch& launch) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != launch.parent) ::_exit(127);  // the parent ended before prctl
  InterruptsEndThisProcess();
  ::dup2(launch.stdin_fd, STDIN_FILENO);
  ::dup2(launch.stderr_fd, STDERR_FILENO);
  ::execve(launch.path, launch.argv.data(), launch.envp.data());
  if (errno == ENOEXEC) ::execve("/bin/sh", launch.shell_argv.data(), launch.envp.data());
  const char* reason = std::strerror(errno);
  static_cast<void>(!::write(STDERR_FILENO, reason, std::strlen(reason)));
  ::_exit(127);
}

/// Copies the child's stderr to ours, and keeps the end of it, until the child is gone.
class ChildWatch {
 public:
  ChildWatch(pid_t pid, int stderr_fd)
      : pid_(pid),
        stderr_fd_(stderr_fd),
        end_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {
    ::fcntl(stderr_fd, F_SETFL, O_NONBLOCK);
  }

  /// Returns the wait status. Does not wait for a grandchild that keeps stderr open.
  int Wait() {
    int wait_ms = 1;  // between two looks, where the kernel has no pidfd (before Linux 5.3)
    for (;;) {
      std::array<struct pollfd, 2> watched{
          {{open_ ? stderr_fd_ : -1, POLLIN, 0}, {end_.fd, POLLIN, 0}}};
      const bool looks = end_.fd < 0 && !open_;
      ::poll(watched.data(), watched.size(), looks ? wait_ms : kPollMsMax);
      if (looks) wait_ms = std::min(2 * wait_ms, kPollMsMax);
      if (watched[0].revents != 0) Drain();
      EndWhenInterrupted();
      int status = 0;
      const pid_t ended = ::waitpid(pid_, &status, WNOHANG);
      if (ended == 0 || (ended < 0 && errno == EINTR)) continue;
      Drain();
      return status;
    }
  }

  const std::string& tail() const { return tail_; }

 private:
  void Drain() {
    std::array<char, 4096> bytes{};
    while (open_) {
      const ssize_t count = ::read(stderr_fd_, bytes.data(), bytes.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return;
      open_ = count > 0;
      WriteAll(STDERR_FILENO, {bytes.data(), static_cast<size_t>(count)});
      tail_.append(bytes.data(), static_cast<size_t>(count));
      if (tail_.size() > kTailBytesMax) tail_.erase(0, tail_.size() - kTailBytesMax);
    }
  }

  void EndWhenInterrupted() {
    if (InterruptCount() == 0) return;
    const Instant now = ClientNow();
    if (ending_since_ == Instant::Never()) {
      ending_since_ = now;
      ::kill(pid_, SIGTERM);
    } else if (now - ending_since_ >= kTermGrace) {
      ::kill(pid_, SIGKILL);
    }
  }

  const pid_t pid_;
  const int stderr_fd_;
  const Fd end_;      // readable when the child has ended; -1: no such descriptor
  bool open_ = true;  // stderr
  std::string tail_;
  Instant ending_since_ = Instant::Never();
};

/// What went wrong, in one line, followed by the end of stderr; "" if the child succeeded.
std::string FailureText(int status, std::string tail) {
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return "";
  std::string text = fmt::format("exited with code {}", WEXITSTATUS(status));
  if (WIFSIGNALED(status)) {
    text = fmt::format("ended by signal {} ({})", WTERMSIG(status), ::strsignal(WTERMSIG(status)));
  }
  tail.erase(tail.find_last_not_of(" \t\r\n") + 1);
  if (tail.empty()) return text;
  const size_t line = tail.rfind('\n');
  const bool several = line != std::string::npos;
  text += ": " + tail.substr(several ? line + 1 : 0);
  return several ? text + "\n" + tail : text;
}

}  // namespace

Result<std::string> FindProgram(const std::string& program) {
  std::vector<std::string> candidates;
  if (program.find('/') != std::string::npos) {
    candidates.push_back(program);
  } else if (!program.empty()) {
    const char* variable = std::getenv("PATH");
    std::string path = variable != nullptr ? variable : "/usr/local/bin:/usr/bin:/bin";
    for (size_t begin = 0; begin <= path.size();) {
      const size_t end = std::min(path.find(':', begin), path.size());
      const std::string dir = path.substr(begin, end - begin);
      candidates.push_back((dir.empty() ? "." : dir) + "/" + program);
      begin = end + 1;
    }
  }
  bool exists = false;
  for (const std::string& candidate : candidates) {
    struct stat status {};
    if (::stat(candidate.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) continue;
    exists = true;
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  if (exists) return Error{ErrorCode::kIo, "command '" + program + "' may not be executed"};
  return Error{ErrorCode::kNotFound, "command '" + program + "' was not found"};
}

Result<BlockCommand> BlockCommand::Make(std::vector<std::string> command) {
  Result<std::string> path = FindProgram(command.empty() ? "" : command.front());
  if (!path.ok()) return path.error();
  return BlockCommand(*path, std::move(command));
}

Status BlockCommand::Run(const Block& block) const {
  return RunWith(BlockJson(block) + "\n", BlockEnvironment(block));
}

Status BlockCommand::RunForAll(std::span<const BlockHandle> blocks) const {
  std::string lines;
  for (const Block& block : blocks) lines += BlockJson(block) + "\n";
  return RunWith(lines, {"BELLIS_TASK=" + blocks.front().task(),
                         fmt::format("BELLIS_BLOCKS={}", blocks.size())});
}

Status BlockCommand::RunWith(const std::string& input_text,
                             std::vector<std::string> variables) const {
  // A file and not a pipe, so that a child that does not read it does not block this process.
  const Fd input(::memfd_create("block", MFD_CLOEXEC));
  if (input.fd < 0 || !WriteAll(input.fd, input_text) || ::lseek(input.fd, 0, SEEK_SET) != 0) {
    return SystemError("stdin for the command");
  }
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return SystemError("pipe");
  const Fd stderr_read(ends[0]);
  Fd stderr_write(ends[1]);
  const std::vector<std::string> environment = ChildEnvironment(std::move(variables));
  std::vector<std::string> shell = {"/bin/sh", path_};
  shell.insert(shell.end(), command_.begin() + 1, command_.end());
  Launch launch{path_.c_str(),   Pointers(command_), Pointers(environment),
                Pointers(shell), input.fd,           stderr_write.fd,
                ::getpid()};
  pid_t pid = -1;
  {
    // A signal that comes before the child executes the command must not be lost in this process's
    // handler.
    const InterruptsBlocked blocked;
    // A fork would copy the page tables first, which takes longer than `true` runs. BecomeChild
    // changes nothing of this process's memory but errno.
    pid = ::vfork();
    if (pid == 0) BecomeChild(launch);
  }
  if (pid < 0) return SystemError("fork");
  stderr_write.Close();
  ChildWatch watch(pid, stderr_read.fd);
  const int status = watch.Wait();
  const std::string failure = FailureText(status, watch.tail());
  if (!failure.empty()) return Error{ErrorCode::kIo, failure};
  return OkStatus();
}

std::vector<std::string> BlockEnvironment(const Block& block) {
  return {
      "BELLIS_TASK=" + block.task(),
      fmt::format("BELLIS_BLOCK_ID={}", block.id()),
      fmt::format("BELLIS_BLOCK_INDEX={}", block.index()),
      fmt::format("BELLIS_BLOCK_ATTEMPT={}", block.attempt()),
      fmt::format("BELLIS_BLOCK_LEASE={}", block.lease().value),
      "BELLIS_READ_OFFSET=" + Numbers(block.read_roi().offset()),
      "BELLIS_READ_SHAPE=" + Numbers(block.read_roi().shape()),
      "BELLIS_WRITE_OFFSET=" + Numbers(block.write_roi().offset()),
      "BELLIS_WRITE_SHAPE=" + Numbers(block.write_roi().shape()),
  };
}

std::string BlockJson(const Block& block) {
  const nlohmann::ordered_json json = {{"task", block.task()},
                                       {"id", block.id()},
                                       {"index", block.index()},
                                       {"attempt", block.attempt()},
                                       {"lease", block.lease().value},
                                       {"read", RoiJson(block.read_roi())},
                                       {"write", RoiJson(block.write_roi())}};
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace bellis
