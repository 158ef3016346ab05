#pragma once

// The resources (gpu, cpu, memory_gb) that launched workers take, counted by name, so that
// competing tasks never take more than the machine has.

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "bellis/job_spec.h"
#include "bellis/result.h"
#include "broker/schedule/dependency_graph.h"
#include "common/ids.h"
#include "common/task/resources.h"

namespace bellis {

/// Owns the amounts in use, and the set of tasks that wait for resources. Borrows nothing.
/// Invariant: the amount of each resource in use is the sum of what was taken and not given back.
/// The amount never exceeds the broker's resource as long as callers take only what Lacking()
/// permits.
/// A budget without resources counts nothing, and everything fits.
class Budget {
 public:
  /// The resources that one worker takes, as its task's spec says.
  using Share = std::map<std::string, uint32_t>;
  using WaitingTask = std::pair<JobNumber, TaskIndex>;

  explicit Budget(Resources there) : there_(std::move(there)) {}

  /// Whether a worker of each task could be started if nothing else ran. Error kInvalidSpec names
  /// the resource.
  Status Fits(const JobSpec& spec) const;
  /// The first resource of which too little is left for one more worker of the task; empty if the
  /// worker can be started.
  std::string Lacking(const TaskSpec& spec) const;

  /// A worker of the task takes its share; a budget without resources takes nothing.
  Share Take(const TaskSpec& spec);
  /// Frees the share, and leaves `*share` empty. Returns the tasks that waited for resources, which
  /// may try again and no longer wait. An empty share changes nothing.
  std::set<WaitingTask> GiveBack(Share* share);
  /// The next GiveBack returns this task, too.
  void Await(JobNumber job, TaskIndex task) { waiting_.insert({job, task}); }

  /// How much of a resource is in use.
  uint64_t used(const std::string& name) const;

 private:
  const Resources there_;
  Resources used_;
  std::set<WaitingTask> waiting_;
};

}  // namespace bellis
