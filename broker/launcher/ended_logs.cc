#include "broker/launcher/ended_logs.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "broker/launcher/log_trim.h"
#include "common/files/private_file.h"

namespace bellis {
namespace {

bool IsAsItWas(const struct stat& before, const struct stat& now) {
  return before.st_mode != 0 && now.st_dev == before.st_dev && now.st_ino == before.st_ino &&
         now.st_size == before.st_size && now.st_mtim.tv_sec == before.st_mtim.tv_sec &&
         now.st_mtim.tv_nsec == before.st_mtim.tv_nsec;
}

struct stat Look(const std::string& path) {
  struct stat seen {};
  const Result<Fd> file = OpenLogFile(path, O_RDONLY);
  if (!file.ok() || fstat(file->get(), &seen) != 0) return {};
  return seen;
}

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

}  // namespace

void EndedLogs::Add(const std::string& stem) {
  Log log;
  for (size_t i = 0; i < log.size(); ++i) {
    const std::string path = stem + (i == 0 ? ".out" : ".err");
    log[i] = std::make_shared<File>(File{.path = path, .seen = Look(path)});
    log[i]->watched = IsStillWritten(*log[i]);
    if (log[i]->watched) watched_.push_back(log[i]);
  }
  const std::string folder = FolderOf(stem);
  const auto [found, is_new] = folders_.try_emplace(folder);
  if (is_new) by_age_.push_back(folder);
  std::deque<Log>& logs = found->second;
  logs.push_back(std::move(log));
  if (logs.size() > kEndedLogsMax) {
    for (const std::shared_ptr<File>& file : logs.front()) {
      file->surplus = true;
      if (!file->watched) Remove(*file);
    }
    logs.pop_front();
  }
  if (by_age_.size() > kEndedFoldersMax) {
    folders_.erase(by_age_.front());
    by_age_.pop_front();
  }
}

void EndedLogs::Sweep() {
  std::erase_if(watched_, [](const std::shared_ptr<File>& file) {
    file->watched = IsStillWritten(*file);
    if (!file->watched && file->surplus) Remove(*file);
    return !file->watched;
  });
}

/// Trims the file, and returns whether a process still has it open for writing. False if the path
/// names another file by now.
bool EndedLogs::IsStillWritten(File& file) {
  struct stat now {};
  const Fd reader = OpenSeen(file.path, O_RDONLY, file.seen, &now);
  if (!reader.ok()) return false;
  const Writers writers = WritersOf(reader.get());
  TrimLogFile(file.path, file.seen);  // trims after the look: if nobody writes any more, this was
                                      // the last time
  if (fstat(reader.get(), &now) != 0) return false;
  file.quiet_sweeps = IsAsItWas(file.seen, now) ? file.quiet_sweeps + 1 : 0;
  file.seen = now;
  if (writers != Writers::kUnknown) return writers == Writers::kSome;
  return file.quiet_sweeps < kQuietSweepsMax;
}

/// Removes the file by its folder's descriptor, since the folder's name may stand for another
/// folder by now.
void EndedLogs::Remove(const File& file) {
  const Result<Fd> folder = OpenByWalk(FolderOf(file.path), O_PATH | O_DIRECTORY, 0, {});
  if (!folder.ok()) return;
  const std::string name = file.path.substr(file.path.rfind('/') + 1);
  struct stat now {};
  if (fstatat(folder->get(), name.c_str(), &now, AT_SYMLINK_NOFOLLOW) != 0) return;
  if (IsAsItWas(file.seen, now)) unlinkat(folder->get(), name.c_str(), 0);
}

}  // namespace bellis
