#pragma once

// The log files of workers that have ended: of each task only the newest remain, so that a task of
// which workers end all day does not fill a folder.

#include <sys/stat.h>

#include <array>
#include <cstddef>
#include <deque>
#include <map>
#include <string>

namespace bellis {

/// So many ended workers of a task keep their log files.
inline constexpr size_t kEndedLogsMax = 200;

class EndedLogs {
 public:
  /// The worker whose output went to `stem`.out and `stem`.err is gone, and with it all that it had
  /// started. Removes both files of the worker of that folder that ended longest ago, when more
  /// than kEndedLogsMax have. A file that has changed since is somebody else's by now, and stays.
  /// Cost: a few looks at the file system.
  void Add(const std::string& stem);

 private:
  struct Log {
    std::string stem;
    std::array<struct stat, 2> files;  // as they were at its end; of one that is none: all zeros
  };
  std::map<std::string, std::deque<Log>> folders_;
};

}  // namespace bellis
