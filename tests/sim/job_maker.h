#pragma once

// Random small jobs that the broker accepts: 1 to 4 dimensions, negative offsets, asymmetric and
// negative context, all fits, chains and diamonds of tasks whose grids do not match, with all kinds
// of workers to come, and checkers.

#include <string>

#include "bellis/job_spec.h"
#include "tests/sim/random.h"

namespace bellis::sim {

class JobMaker {
 public:
  explicit JobMaker(Random* random) : random_(random) {}
  /// At most about 300 blocks.
  JobSpec Make(const std::string& name);

 private:
  JobSpec Try(const std::string& name);
  TaskSpec MakeTask(const std::string& id, int rank);
  MaskSpec MakeMask(const Roi& volume);
  void AddWorkers(TaskSpec* task);

  Random* random_;
};

}  // namespace bellis::sim
