#include "tests/tools/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace bellis {
namespace {

constexpr const char* kMark = "BELLIS_TEST_MARK";

void RedirectTo(const std::string& path, int fd) {
  const int file = ::open(path.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
  ::dup2(file, fd);
}

}  // namespace

std::string Program(const std::string& name) { return std::string(BELLIS_BIN_DIR) + "/" + name; }

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

bool Eventually(const std::function<bool()>& holds, int timeout_s) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(timeout_s);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

Process::Process(const std::vector<std::string>& command,
                 const std::map<std::string, std::string>& env, const std::string& cwd)
    : mark_(std::string(kMark) + "=" + dir_.path()) {
  pid_ = ::fork();
  if (pid_ != 0) return;
  ::setpgid(0, 0);
  RedirectTo(dir_.path() + "/out", STDOUT_FILENO);
  RedirectTo(dir_.path() + "/err", STDERR_FILENO);
  RedirectTo("/dev/null", STDIN_FILENO);
  ::setenv(kMark, dir_.path().c_str(), 1);
  for (const auto& [name, value] : env) ::setenv(name.c_str(), value.c_str(), 1);
  if (::chdir(cwd.c_str()) != 0) ::_exit(125);
  std::vector<char*> argv;
  for (const std::string& argument : command) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  ::execvp(argv[0], argv.data());
  ::_exit(124);
}

Process::~Process() {
  for (const pid_t pid : Descendants()) ::kill(pid, SIGKILL);
  if (!reaped_) ::waitpid(pid_, nullptr, 0);
}

void Process::Signal(int signal) const { ::kill(pid_, signal); }
void Process::SignalGroup(int signal) const { ::kill(-pid_, signal); }

ProcessEnd Process::Wait(int timeout_s) {
  int status = 0;
  const bool ended =
      Eventually([&] { return ::waitpid(pid_, &status, WNOHANG) == pid_; }, timeout_s);
  if (!ended) {
    ADD_FAILURE() << "still running after " << timeout_s << " s\n" << out() << err();
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, &status, 0);
  }
  reaped_ = true;
  ProcessEnd end;
  if (WIFEXITED(status)) end.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) end.signal = WTERMSIG(status);
  end.out = out();
  end.err = err();
  return end;
}

std::string Process::out() const { return ReadAll(dir_.path() + "/out"); }
std::string Process::err() const { return ReadAll(dir_.path() + "/err"); }

std::vector<pid_t> Process::Descendants() const {
  std::vector<pid_t> pids;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    // The environment of a zombie cannot be read, so zombies do not count.
    const std::string environment = ReadAll(entry.path() / "environ");
    if (environment.find(mark_ + '\0') != std::string::npos) pids.push_back(std::stoi(name));
  }
  return pids;
}

bool Process::NothingIsLeft() const {
  return Eventually([this] { return Descendants().empty(); }, 10);
}

ProcessEnd RunProcess(const std::vector<std::string>& command,
                      const std::map<std::string, std::string>& env, const std::string& cwd) {
  return Process(command, env, cwd).Wait();
}

}  // namespace bellis
