#pragma once

// The log files of workers that have ended. Only the newest files of each task are kept, so that a
// task whose workers end all day does not fill a folder. Each file is kept small for as long as a
// process that the worker left behind writes to it.

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
/// Files are removed only in this many folders: those in which workers ended last. Other folders
/// keep their files.
inline constexpr size_t kEndedFoldersMax = 1000;
/// Some file systems cannot tell who has a file open for writing. There, a file is taken to be
/// closed after this many sweeps without a write.
inline constexpr int kQuietSweepsMax = 60;

class EndedLogs {
 public:
  /// The worker whose output went to `stem`.out and `stem`.err is gone. Trims both files, and
  /// watches those that a process still has open for writing. If the folder has the files of more
  /// than kEndedLogsMax ended workers, removes both files of the worker that ended longest ago. A
  /// file that was replaced since the last look belongs to somebody else, and stays. A watched file
  /// is removed when nobody writes to it any more. Cost: a few file system calls.
  void Add(const std::string& stem);

  /// Trims the watched files, and stops watching those that nobody has open for writing. Must be
  /// called every few seconds. Cost: a few file system calls for each watched file.
  void Sweep();

  /// The number of files that somebody may still write to: files of processes that outlived their
  /// worker, and on a file system that cannot tell, files written in the last kQuietSweepsMax
  /// sweeps.
  size_t watched() const { return watched_.size(); }

 private:
  struct File {
    std::string path;
    struct stat seen;  // all zeros if there is no such file
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
