#pragma once

// The jobs that the broker knows, and which of them must be looked at before a Step ends.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "broker/core/job.h"

namespace bellis {

class Turn;

/// Owns the jobs, their numbers, the list of touched jobs and the list of those with follow-up
/// work. Borrows nothing. Any caller may change a Job's own members.
///
/// Invariants: running() counts the jobs whose state is kRunning; a job is among the touched jobs
/// exactly if Job::queued is set, and among the jobs with follow-up work exactly if Job::working is
/// set. Iteration is by number, so that a replay visits jobs in the same order.
class JobTable {
 public:
  using Map = std::map<JobNumber, std::unique_ptr<Job>>;

  // ---- look up ----

  /// nullptr: the table has no such job, or no longer.
  Job* Find(JobNumber number) const;
  /// Finds a job by its id, which ends in its number. Cost: O(log jobs).
  Job* FindById(const std::string& id) const;
  /// The newest job of that name. Cost: O(jobs).
  Job* FindNewest(const std::string& name) const;
  Map::const_iterator begin() const { return jobs_.begin(); }
  Map::const_iterator end() const { return jobs_.end(); }
  Map::const_reverse_iterator rbegin() const { return jobs_.rbegin(); }
  Map::const_reverse_iterator rend() const { return jobs_.rend(); }
  size_t size() const { return jobs_.size(); }

  // ---- life of a job ----

  /// A new job number, which is never given again.
  JobNumber NextNumber() { return JobNumber(++last_); }
  /// Adds a job under its number.
  Job& Add(std::unique_ptr<Job> job);
  /// Requires that the job does not run, has no workers and is not touched.
  Map::const_iterator Erase(Map::const_iterator job);
  void Erase(JobNumber number) { Erase(jobs_.find(number)); }
  /// The job runs from now on, again or for the first time.
  void Begin(Job& job);
  /// The job runs no more, and its follow-up work is dropped.
  void End(Job& job, JobState state);
  size_t running() const { return running_; }

  // ---- what must be looked at before the Step ends ----

  /// Has the job looked at before the Step ends.
  void Queue(Job& job) {
    if (std::exchange(job.queued, true)) return;
    touched_.push_back(&job);
  }
  /// Has the task looked at before the Step ends.
  void Touch(Job& job, TaskIndex task) {
    job.Touch(task);
    Queue(job);
  }
  /// The same for all tasks of a job, or of all running jobs.
  void TouchAll(Job& job);
  void TouchAll();
  /// Takes the next touched job; nullptr: none is left. The job may be touched again.
  Job* NextTouched();

  /// Does a bounded part of the follow-up work of each job that has some, and queues those jobs.
  void Work();
  /// Work() does the follow-up work of the job from now on, if there is any.
  void NoteWork(Job& job);
  bool has_work() const { return !working_.empty(); }

  /// Checks the invariants. Cost: O(jobs).
  void CheckInvariants() const;

 private:
  Map jobs_;
  std::vector<Job*> touched_;
  size_t next_touched_ = 0;
  std::vector<Job*> working_;
  uint64_t last_ = 0;
  size_t running_ = 0;
};

/// Touches the task at `due`, or earlier. A rule that still has to wait at that time calls this
/// again.
void LookAgain(Turn& turn, Job& job, TaskIndex task, Instant due);

}  // namespace bellis
