#pragma once

// For tests with real processes: a temporary directory, bounded waiting, and a mark by which every
// process that a test started is found and ended, whatever became of its parents.

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "broker/launcher/process_tree.h"

namespace bellis {

/// Waits until `holds()` is true; false when it was not within `timeout`.
inline bool Eventually(const std::function<bool()>& holds,
                       std::chrono::milliseconds timeout = std::chrono::seconds(30)) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

inline std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// A worker's log without its first line, which says whose log it is.
inline std::string AfterHeading(const std::string& log) {
  const size_t end = log.find('\n');
  return log.starts_with("[bellis ") && end != std::string::npos ? log.substr(end + 1) : "";
}

inline bool IsAlive(pid_t pid) {
  const std::optional<ProcessInfo> info = ReadProcess(pid);
  return info && info->state != 'Z' && info->state != 'X';
}

/// A fixture. At its end, the directory `dir()` is removed, and the processes of `Marked()` are
/// ended.
class ProcessTest : public testing::Test {
 protected:
  ProcessTest() {
    static int count = 0;
    mark_ = std::to_string(getpid()) + "." + std::to_string(++count);
    setenv(kMarkVariable, mark_.c_str(), 1);
    std::string pattern = (std::filesystem::temp_directory_path() / "bellis-XXXXXX").string();
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
    BecomeSubreaper();  // processes that tests orphan become our children, to be reaped
  }

  ~ProcessTest() override {
    EndDescendants(Duration(), Duration::Seconds(10));
    for (const pid_t pid : Marked()) kill(pid, SIGKILL);
    unsetenv(kMarkVariable);
    std::filesystem::remove_all(dir_);
  }

  const std::string& dir() const { return dir_; }

  /// All live processes that were started since this test began, however indirectly, except those
  /// that wiped their environment.
  std::vector<pid_t> Marked() const {
    std::vector<pid_t> marked;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      const std::string name = entry.path().filename();
      pid_t pid = 0;
      if (std::from_chars(name.data(), name.data() + name.size(), pid).ec != std::errc()) continue;
      if (pid != getpid() && ReadProcessEnv(pid, kMarkVariable) == mark_ && IsAlive(pid)) {
        marked.push_back(pid);
      }
    }
    return marked;
  }

  /// The number that a worker wrote to `path` as its first line.
  static pid_t AwaitPid(const std::string& path) {
    EXPECT_TRUE(Eventually([&] { return ReadFile(path).find('\n') != std::string::npos; })) << path;
    return static_cast<pid_t>(std::atoi(ReadFile(path).c_str()));
  }

 private:
  static constexpr char kMarkVariable[] = "BELLIS_TEST_MARK";
  std::string mark_;
  std::string dir_;
};

}  // namespace bellis
