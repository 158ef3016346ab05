#pragma once

// A folder in the file system for one test, and jobs to keep in it.

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>

#include "broker/core/record.h"

namespace bellis::test {

class Folder {
 public:
  Folder() {
    char name[] = "/tmp/bellis-journal-XXXXXX";
    path_ = mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// A job of `tasks` tasks in one dimension.
inline JobSpec Spec(size_t tasks, int64_t blocks = 1000) {
  JobSpec spec;
  spec.name = "kept";
  for (size_t t = 0; t < tasks; ++t) {
    TaskSpec task;
    task.task_id = "t" + std::to_string(t);
    const Coordinate zero{0};
    task.total_roi = Roi(zero, Coordinate{10 * blocks});
    task.read_roi = Roi(zero, Coordinate{10});
    task.write_roi = Roi(zero, Coordinate{10});
    task.external_workers = true;
    spec.tasks.push_back(std::move(task));
  }
  return spec;
}

}  // namespace bellis::test
