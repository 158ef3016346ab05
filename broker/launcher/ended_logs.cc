#include "broker/launcher/ended_logs.h"

#include <unistd.h>

#include <array>

namespace bellis {
namespace {

constexpr std::array<const char*, 2> kSuffixes = {".out", ".err"};

struct stat Look(const std::string& path) {
  struct stat status = {};
  if (lstat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  return status;
}

bool IsAsItWas(const struct stat& before, const struct stat& now) {
  return before.st_mode != 0 && now.st_dev == before.st_dev && now.st_ino == before.st_ino &&
         now.st_size == before.st_size && now.st_mtim.tv_sec == before.st_mtim.tv_sec &&
         now.st_mtim.tv_nsec == before.st_mtim.tv_nsec;
}

}  // namespace

void EndedLogs::Add(const std::string& stem) {
  const size_t slash = stem.rfind('/');
  std::deque<Log>& logs = folders_[slash == std::string::npos ? "" : stem.substr(0, slash)];
  logs.push_back({stem, {Look(stem + kSuffixes[0]), Look(stem + kSuffixes[1])}});
  if (logs.size() <= kEndedLogsMax) return;
  const Log& oldest = logs.front();
  for (size_t i = 0; i < kSuffixes.size(); ++i) {
    const std::string path = oldest.stem + kSuffixes[i];
    if (IsAsItWas(oldest.files[i], Look(path))) unlink(path.c_str());
  }
  logs.pop_front();
}

}  // namespace bellis
