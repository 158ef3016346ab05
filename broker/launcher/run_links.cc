#include "broker/launcher/run_links.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "common/files/path_walk.h"

namespace bellis {
namespace {

constexpr size_t kFoldersMax = 1000;  // then all are forgotten, which costs a few extra system
                                      // calls
constexpr size_t kTasksMax = 10'000;

/// Why `latest` must not be replaced; empty if it may be.
std::string WhyNot(int folder) {
  struct stat found {};
  if (fstatat(folder, kLatestRun, &found, AT_SYMLINK_NOFOLLOW) != 0) return "";
  if (!S_ISLNK(found.st_mode)) return "is not a symbolic link";
  if (found.st_uid == geteuid()) return "";
  return fmt::format("is a symbolic link of another user (uid {}; you are {})", found.st_uid,
                     geteuid());
}

/// Makes `latest` point to `run`. Returns why it could not; empty if it did.
std::string Switch(int folder, const std::string& run) {
  if (const std::string why = WhyNot(folder); !why.empty()) return why + ": remove it";
  const std::string next = fmt::format(".{}.{}", kLatestRun, getpid());
  if (symlinkat(run.c_str(), folder, next.c_str()) != 0) {
    // A launcher with the same pid was killed between symlink and rename, and left this link.
    if (errno != EEXIST || unlinkat(folder, next.c_str(), 0) != 0 ||
        symlinkat(run.c_str(), folder, next.c_str()) != 0) {
      return fmt::format("cannot be made: {}", std::strerror(errno));
    }
  }
  if (renameat(folder, next.c_str(), folder, kLatestRun) == 0) return "";
  const int error = errno;
  unlinkat(folder, next.c_str(), 0);
  return fmt::format("cannot be switched: {}", std::strerror(error));
}

}  // namespace

std::string RunLinks::Point(const LogLabel& label) {
  const std::string& run = label.run;
  const std::string& task = label.task;
  if (run.empty()) return "";
  if (folders_.size() > kFoldersMax) folders_.clear();
  const std::string base = LogBase(label.log_dir);
  Folder& folder = folders_[base];
  const bool is_newer = run > folder.latest;  // names begin with the time
  if (!is_newer && folder.tasks.contains(task)) return "";
  if (is_newer || folder.tasks.size() > kTasksMax) folder.tasks.clear();
  folder.tasks.insert(task);
  const Result<Fd> opened = OpenByWalk(base, O_PATH | O_DIRECTORY, 0, {});
  std::string trouble = opened.ok() ? "" : opened.error().message;
  if (opened.ok()) {
    if (is_newer) {
      folder.latest = run;
      if (const std::string why = Switch(opened->get(), EscapeForPath(run)); !why.empty()) {
        trouble = fmt::format("{}/{} {}", base, kLatestRun, why);
      }
    }
    const std::string name = EscapeForPath(task);
    const std::string target = fmt::format("{}/{}", kLatestRun, name);
    // If the name exists, it is such a link already, or belongs to somebody else.
    if (name != kLatestRun) {
      static_cast<void>(!symlinkat(target.c_str(), opened->get(), name.c_str()));
    }
  }
  if (trouble.empty() || folder.told) return "";
  folder.told = true;
  return fmt::format("the logs of run {} have no link: {}", run, trouble);
}

}  // namespace bellis
