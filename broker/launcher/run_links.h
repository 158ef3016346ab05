#pragma once

// Where people and scripts find the logs of the run that began last.

#include <map>
#include <set>
#include <string>

#include "broker/launcher/worker_log.h"

namespace bellis {

inline constexpr char kLatestRun[] = "latest";

/// Symbolic links in a log directory, of the user's own:
///
///     bellis_logs/2026-11-27T030507Z_smooth-1_k3x9/smooth/worker_1.out
///     bellis_logs/latest -> 2026-11-27T030507Z_smooth-1_k3x9
///     bellis_logs/smooth -> latest/smooth
///
/// They are for readers only: nothing is ever written through them. `latest` is switched in one
/// step, so that there is always one. What is there by one of these names and is no link of ours
/// stays.
class RunLinks {
 public:
  /// A worker with this label is started, and its log's folder is there. `latest` names the
  /// newest run of those that this object has heard of. Returns what is wrong, once for each log
  /// directory; else "". Cost: nothing but a look into a map after the first worker of a task.
  std::string Point(const LogLabel& label);

 private:
  struct Folder {
    std::string latest;
    std::set<std::string> tasks;
    bool told = false;
  };
  std::map<std::string, Folder> folders_;
};

}  // namespace bellis
