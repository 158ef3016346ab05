#pragma once

// What launched workers take of the machine (gpu, cpu, memory_gb), counted by name, so that tasks
// that compete never have more than there is.

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

/// Owns what is in use, and which tasks wait for some of it. Borrows nothing.
/// Invariant: of each resource, what is in use is the sum of what was taken and not given back, and
/// no more than there is, as long as only what Lacking() permits is taken.
/// A budget without resources counts nothing, and everything fits.
class Budget {
 public:
  /// What the worker of a task takes, as in its spec.
  using Share = std::map<std::string, uint32_t>;
  using WaitingTask = std::pair<JobNumber, TaskIndex>;

  explicit Budget(Resources there) : there_(std::move(there)) {}

  /// Whether a worker of each task could be started if nothing else ran. Error kInvalidSpec names
  /// the resource.
  Status Fits(const JobSpec& spec) const;
  /// The first resource of which too little is left for one more worker of the task; empty: it can
  /// be started.
  std::string Lacking(const TaskSpec& spec) const;

  /// A worker of the task takes its share; nothing where nothing is counted.
  Share Take(const TaskSpec& spec);
  /// The share is free. Returns the tasks that waited for resources: they may try again, and wait
  /// no more. `*share` is empty then; an empty one changes nothing.
  std::set<WaitingTask> GiveBack(Share* share);
  /// The task is among those that the next GiveBack returns.
  void Await(JobNumber job, TaskIndex task) { waiting_.insert({job, task}); }

  /// How much of a resource is in use.
  uint64_t used(const std::string& name) const;

 private:
  const Resources there_;
  Resources used_;
  std::set<WaitingTask> waiting_;
};

}  // namespace bellis
