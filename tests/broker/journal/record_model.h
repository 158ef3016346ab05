#pragma once

// The state that records add up to, in plain maps: what a broker that finds the records must take
// over. The model knows no files.

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "broker/core/event.h"
#include "broker/core/record.h"

namespace bellis::test {

class RecordModel {
 public:
  void Take(const Record& record) {
    if (const auto* marks = std::get_if<Marks>(&record)) {
      saved_.marks = *marks;
    } else if (const auto* begun = std::get_if<JobBegun>(&record)) {
      SavedJob& job = jobs_[begun->job];
      job.job = begun->job;
      job.id = begun->id;
      job.spec = begun->spec;
      progress_[begun->job].resize(begun->spec.tasks.size());
    } else if (const auto* over = std::get_if<JobOver>(&record)) {
      SavedJob& job = jobs_[over->job];
      job.state = over->state;
      job.reason = over->reason;
      job.counts = over->counts;
    } else if (const auto* reopened = std::get_if<JobReopened>(&record)) {
      SavedJob& job = jobs_[reopened->job];
      job.state = JobState::kRunning;
      job.reason.clear();
      job.counts.clear();
      for (Task& task : progress_[reopened->job]) {
        task.failed.clear();
        task.attempts.clear();
        task.failures.clear();
        task.failures_total = 0;
      }
    } else if (const auto* forgotten = std::get_if<JobForgotten>(&record)) {
      jobs_.erase(forgotten->job);
      progress_.erase(forgotten->job);
    } else if (const auto* done = std::get_if<BlockDone>(&record)) {
      Task& task = progress_[done->job][done->task];
      for (uint32_t i = 0; i < done->count; ++i) {
        task.completed.insert(done->block + i);
        task.attempts.erase(done->block + i);
      }
      task.skipped += done->skipped ? done->count : 0;
      if (!done->language.empty()) {
        LanguageTotal& total = task.languages[done->language];
        total.language = done->language;
        total.blocks += done->count;
        total.us += done->us;
      }
    } else if (const auto* failed = std::get_if<AttemptFailed>(&record)) {
      Task& task = progress_[failed->job][failed->task];
      if (failed->final) {
        task.failed.insert(failed->failure.index);
        task.attempts.erase(failed->failure.index);
      } else {
        task.attempts[failed->failure.index] = failed->failure.attempt;
      }
      if (++task.failures_total <= 100) task.failures.push_back(failed->failure);
    } else if (const auto* begun_session = std::get_if<SessionBegun>(&record)) {
      sessions_[begun_session->session.worker] = begun_session->session;
    } else {
      sessions_.erase(std::get<SessionOver>(record).worker);
    }
  }

  Saved saved() const {
    Saved all = saved_;
    for (const auto& [number, job] : jobs_) {
      all.jobs.push_back(job);
      for (const Task& task : progress_.at(number)) {
        auto& languages = all.jobs.back().languages.emplace_back();
        for (const auto& [language, total] : task.languages) languages.push_back(total);
      }
    }
    for (const auto& [worker, session] : sessions_) all.sessions.push_back(session);
    return all;
  }

  /// The event that gives this state to a broker at its start.
  TakeOver take_over() const {
    TakeOver taken;
    taken.saved = saved();
    for (const SavedJob& job : taken.saved.jobs) {
      if (job.state == JobState::kRunning) taken.progress.emplace(job.job, progress(job.job));
    }
    return taken;
  }

  std::vector<TaskProgress> progress(JobNumber job) const {
    std::vector<TaskProgress> all;
    for (const Task& task : progress_.at(job)) {
      TaskProgress progress;
      progress.completed = RunsOf(task.completed);
      progress.failed = RunsOf(task.failed);
      progress.skipped = task.skipped;
      progress.attempts.assign(task.attempts.begin(), task.attempts.end());
      progress.failures = task.failures;
      progress.failures_total = task.failures_total;
      all.push_back(std::move(progress));
    }
    return all;
  }

  bool open(JobNumber job, TaskIndex t, BlockIndex block) const {
    const Task& task = progress_.at(job)[t];
    return task.completed.count(block) == 0 && task.failed.count(block) == 0;
  }
  const std::map<JobNumber, SavedJob>& jobs() const { return jobs_; }

 private:
  struct Task {
    std::set<BlockIndex> completed;
    std::set<BlockIndex> failed;
    uint64_t skipped = 0;
    std::map<std::string, LanguageTotal> languages;
    std::map<BlockIndex, uint32_t> attempts;
    std::vector<FailureRecord> failures;
    uint64_t failures_total = 0;
  };

  static std::vector<BlockRun> RunsOf(const std::set<BlockIndex>& blocks) {
    std::vector<BlockRun> runs;
    for (const BlockIndex block : blocks) {
      if (!runs.empty() && runs.back().end == block) {
        ++runs.back().end;
      } else {
        runs.push_back({block, block + 1});
      }
    }
    return runs;
  }

  Saved saved_;
  std::map<JobNumber, SavedJob> jobs_;
  std::map<JobNumber, std::vector<Task>> progress_;
  std::map<WorkerId, Session> sessions_;
};

}  // namespace bellis::test
