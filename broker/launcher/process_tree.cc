#include "broker/launcher/process_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <set>
#include <string_view>
#include <utility>

namespace bellis {
namespace {

// The environment of a process may be as large as its stack allows. A worker's environment is
// always smaller than this.
constexpr size_t kProcFileBytesMax = 8 << 20;

// nullopt: the file does not exist, or is not readable. Files in /proc have no size, so this reads
// to the end.
std::optional<std::string> ReadProcFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  std::string text;
  char buffer[4096];
  ssize_t got;
  while ((got = read(fd, buffer, sizeof(buffer))) != 0) {
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 || text.size() > kProcFileBytesMax) break;
    text.append(buffer, static_cast<size_t>(got));
  }
  close(fd);
  if (got < 0) return std::nullopt;
  return text;
}

// Calls `visit` with each number that names an entry of `dir`.
template <typename Visit>
void ForEachNumber(const std::string& dir, Visit visit) {
  const std::unique_ptr<DIR, int (*)(DIR*)> handle(opendir(dir.c_str()), closedir);
  if (!handle) return;
  while (const dirent* entry = readdir(handle.get())) {
    const std::string_view name(entry->d_name);
    pid_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error == std::errc() && end == name.data() + name.size()) visit(number);
  }
}

std::string ChildrenFile(pid_t pid, pid_t thread) {
  return fmt::format("/proc/{}/task/{}/children", pid, thread);
}

// Adds the numbers in `text`, which are separated by spaces.
void AppendPids(std::string_view text, std::vector<pid_t>* pids) {
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    pid_t pid = 0;
    if (std::from_chars(text.data(), text.data() + end, pid).ec == std::errc()) {
      pids->push_back(pid);
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

// Reaps the children that have ended.
void ReapEnded() {
  while (waitpid(-1, nullptr, WNOHANG) > 0) {
  }
}

}  // namespace

std::optional<ProcessInfo> ReadProcess(pid_t pid) {
  const std::optional<std::string> text = ReadProcFile(fmt::format("/proc/{}/stat", pid));
  if (!text) return std::nullopt;
  // "pid (name) state ppid pgrp session ... starttime ...": the name may hold anything, so the
  // fields are counted from the last ')'. starttime is field 22 (proc(5)).
  const size_t name_end = text->rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  ProcessInfo info;
  info.pid = pid;
  unsigned long long start = 0;
  const int fields =
      std::sscanf(text->c_str() + name_end + 1,
                  " %c %d %*d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
                  &info.state, &info.parent, &info.session, &start);
  if (fields != 4) return std::nullopt;
  info.start_ticks = start;
  return info;
}

std::optional<std::string> ReadProcessEnv(pid_t pid, const std::string& name) {
  const std::optional<std::string> text = ReadProcFile(fmt::format("/proc/{}/environ", pid));
  if (!text) return std::nullopt;
  const std::string prefix = name + "=";
  std::string_view rest(*text);
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\0'), rest.size());
    if (rest.substr(0, end).starts_with(prefix)) {
      return std::string(rest.substr(prefix.size(), end - prefix.size()));
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return std::nullopt;
}

bool HasEnvironment(pid_t pid) {
  const std::optional<std::string> text = ReadProcFile(fmt::format("/proc/{}/environ", pid));
  return text && !text->empty();
}

ProcessTree::ProcessTree(Source source) {
  static const bool kernel_lists_children =
      access(ChildrenFile(getpid(), getpid()).c_str(), R_OK) == 0;
  scanned_ = source == Source::kScan || !kernel_lists_children;
  if (!scanned_) return;
  ForEachNumber("/proc", [this](pid_t pid) {
    if (const std::optional<ProcessInfo> info = ReadProcess(pid)) {
      children_[info->parent].push_back(pid);
    }
  });
}

std::vector<pid_t> ProcessTree::Children(pid_t pid) const {
  if (scanned_) {
    const auto found = children_.find(pid);
    return found == children_.end() ? std::vector<pid_t>() : found->second;
  }
  std::vector<pid_t> children;
  // The children of each thread are those that it forked; orphans become children of the first
  // thread.
  ForEachNumber(fmt::format("/proc/{}/task", pid), [&](pid_t thread) {
    if (const auto text = ReadProcFile(ChildrenFile(pid, thread))) AppendPids(*text, &children);
  });
  return children;
}

std::vector<pid_t> ProcessTree::Descendants(pid_t pid) const {
  std::vector<pid_t> descendants = Children(pid);
  // A process whose parent changes during the look would be seen twice.
  std::set<pid_t> seen(descendants.begin(), descendants.end());
  for (size_t i = 0; i < descendants.size(); ++i) {
    for (const pid_t child : Children(descendants[i])) {
      if (seen.insert(child).second) descendants.push_back(child);
    }
  }
  return descendants;
}

void BecomeSubreaper() { prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); }

size_t EndDescendants(Duration grace, Duration bound) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point begin = Clock::now();
  const Clock::time_point kill_at = begin + std::chrono::nanoseconds(grace.ns);
  const Clock::time_point give_up_at = begin + std::chrono::nanoseconds(bound.ns);
  std::set<pid_t> told;  // each process gets TERM only once
  int pause_ms = 1;
  while (true) {
    ReapEnded();
    const std::vector<pid_t> left = ProcessTree().Descendants(getpid());
    if (left.empty()) return 0;
    const Clock::time_point now = Clock::now();
    if (now >= give_up_at) return left.size();
    for (const pid_t pid : left) {
      if (now >= kill_at) {
        kill(pid, SIGKILL);
      } else if (told.insert(pid).second) {
        kill(pid, SIGTERM);
      }
    }
    poll(nullptr, 0, pause_ms);
    pause_ms = std::min(pause_ms * 2, 20);
  }
}

size_t KillProcessesWith(const std::string& name, const std::string& prefix, Duration bound) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point give_up_at = Clock::now() + std::chrono::nanoseconds(bound.ns);
  int pause_ms = 1;
  while (true) {
    size_t left = 0;
    ForEachNumber("/proc", [&](pid_t pid) {
      const std::optional<std::string> value = ReadProcessEnv(pid, name);
      if (!value || !value->starts_with(prefix)) return;
      ++left;
      kill(pid, SIGKILL);
    });
    // A zombie has no environment any more, so it does not count.
    if (left == 0 || Clock::now() >= give_up_at) return left;
    poll(nullptr, 0, pause_ms);
    pause_ms = std::min(pause_ms * 2, 20);
  }
}

}  // namespace bellis
