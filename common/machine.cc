#include "common/machine.h"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>

namespace bellis {

std::string MachineName() {
  std::ifstream boot_id("/proc/sys/kernel/random/boot_id");
  std::string boot;
  if (!std::getline(boot_id, boot) || boot.empty()) return "";
  char pid_namespace[64];
  const ssize_t bytes = readlink("/proc/self/ns/pid", pid_namespace, sizeof(pid_namespace));
  if (bytes <= 0) return "";
  return boot + ":" + std::string(pid_namespace, static_cast<size_t>(bytes));
}

std::string HostName() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

bool ProcessIsGone(int64_t pid) {
  if (pid <= 0) return false;
  if (kill(static_cast<pid_t>(pid), 0) != 0) return errno == ESRCH;
  // "pid (name) state ...": the name may hold any character, so the last ")" ends it.
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  std::getline(stat, line);
  const size_t end = line.rfind(')');
  return end != std::string::npos && end + 2 < line.size() &&
         (line[end + 2] == 'Z' || line[end + 2] == 'X');
}

}  // namespace bellis
