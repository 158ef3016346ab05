#pragma once

// The log files of workers that have ended: of each task only the newest remain, so that a task of
// which workers end all day does not fill a folder; and each is kept small for as long as a process
// that the worker has left behind writes to it.

#include <sys/stat.h>

#include <array>
#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace bellis {

/// The number of ended workers of a task that keep their log files.
inline constexpr size_t kEndedLogsMax = 200;
/// Files are removed only in this many folders, those that workers ended in last. The other folders
/// keep the files that they have.
inline constexpr size_t kEndedFoldersMax = 1000;
/// Where the file system cannot tell who has a file open for writing: after this many sweeps
/// without a write to it, nobody has.
inline constexpr int kQuietSweepsMax = 60;

class EndedLogs {
 public:
  /// The worker whose output went to `stem`.out and `stem`.err is gone. Trims both files, and
  /// watches those that a process still has open for writing. Removes both files of the worker of
  /// that folder that ended longest ago, when more than kEndedLogsMax have. A file that has changed
  /// since it was looked at last is somebody else's by now, and stays; one that is watched is
  /// removed when nobody writes to it any more. Cost: a few looks at the file system.
  void Add(const std::string& stem);

  /// Trims the files that are watched, and lets go of those that nobody has open for writing. To be
  /// called every few seconds. Cost: a few looks at the file system for each file.
  void Sweep();

  /// Files that somebody may still write to: as many as there are processes that outlived their
  /// worker, and on a file system that cannot tell, those of the last kQuietSweepsMax sweeps.
  size_t watched() const { return watched_.size(); }

 private:
  struct File {
    std::string path;
    struct stat seen;  // of one that is none: all zeros
    bool watched = false;
    bool surplus = false;  // to be removed
    int quiet_sweeps = 0;
  };
  using Log = std::array<std::shared_ptr<File>, 2>;

  static bool IsStillWritten(File& file);
  static void Remove(const File& file);

  std::map<std::string, std::deque<Log>> folders_;
  std::deque<std::string> by_age_;  // keys of folders_
  std::vector<std::shared_ptr<File>> watched_;
};

}  // namespace bellis
