#pragma once

// The link to the logs of the run that began last, for people and scripts.

#include <map>
#include <set>
#include <string>

#include "broker/launcher/worker_log.h"

namespace bellis {

inline constexpr char kLatestRun[] = "latest";

/// Makes symbolic links in a log directory:
///
///     bellis_logs/2026-11-27T030507Z_smooth-1_k3x9/smooth/worker_1.out
///     bellis_logs/latest -> 2026-11-27T030507Z_smooth-1_k3x9
///     bellis_logs/smooth -> latest/smooth
///
/// The links are for readers only: nothing is ever written through them. `latest` is switched
/// atomically, so that it always exists. Anything else that has one of these names stays as it is.
class RunLinks {
 public:
  /// Makes the links for a worker with this label, whose log folder exists. `latest` names the
  /// newest run that this object knows. Returns what is wrong, once for each log directory; else
  /// "". Cost: after the first worker of a task, only a look into a map.
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
