#pragma once

// The jobs that the broker knows, and which of them are to be brought to rest before a Step ends.

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
/// work. Borrows nothing; a Job's own members are free to whoever has it.
///
/// Invariants: running() counts the jobs whose state is kRunning; a job stands among the touched
/// ones exactly when Job::queued is set, and among those with work exactly when Job::working is.
/// Iteration is by number, so that a replay visits jobs in the same order.
class JobTable {
 public:
  using Map = std::map<JobNumber, std::unique_ptr<Job>>;

  // ---- look up ----

  /// nullptr: no such job, or not any more.
  Job* Find(JobNumber number) const;
  /// By its id, which ends in its number. Cost: O(log jobs).
  Job* FindById(const std::string& id) const;
  /// The newest of that name. Cost: O(jobs).
  Job* FindNewest(const std::string& name) const;
  Map::const_iterator begin() const { return jobs_.begin(); }
  Map::const_iterator end() const { return jobs_.end(); }
  Map::const_reverse_iterator rbegin() const { return jobs_.rbegin(); }
  Map::const_reverse_iterator rend() const { return jobs_.rend(); }
  size_t size() const { return jobs_.size(); }

  // ---- life of a job ----

  /// The number of the next job. It is not given again.
  JobNumber NextNumber() { return JobNumber(++last_); }
  /// Takes a job in, under its number.
  Job& Add(std::unique_ptr<Job> job);
  /// Requires that it does not run, has no workers and is not touched.
  Map::const_iterator Erase(Map::const_iterator job);
  void Erase(JobNumber number) { Erase(jobs_.find(number)); }
  /// The job runs from now on, again or for the first time.
  void Begin(Job& job);
  /// The job runs no more, and its follow-up work is dropped.
  void End(Job& job, JobState state);
  size_t running() const { return running_; }

  // ---- what is to be brought to rest ----

  /// The job is looked at before the Step ends.
  void Queue(Job& job) {
    if (std::exchange(job.queued, true)) return;
    touched_.push_back(&job);
  }
  /// The task is.
  void Touch(Job& job, TaskIndex task) {
    job.Touch(task);
    Queue(job);
  }
  /// All tasks of a job, or of all jobs that run.
  void TouchAll(Job& job);
  void TouchAll();
  /// The touched job that comes next; nullptr: all are at rest. It may be touched again.
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

/// The task is touched at `due`, or earlier: a rule that then still has to wait calls this again.
void LookAgain(Turn& turn, Job& job, TaskIndex task, Instant due);

}  // namespace bellis
