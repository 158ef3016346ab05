// Recounts what the owners count and what the parts must keep consistent.

#include "broker/core/engine.h"
#include "common/check.h"

namespace bellis {

void Engine::CheckInvariants() const {
  durable_.CheckInvariants();
  jobs_.CheckInvariants();
  roster_.CheckInvariants(peers_);
  for (const auto& [number, job] : jobs_) {
    if (!job->running()) continue;
    for (TaskIndex t = 0; t < job->tasks.size(); ++t) CheckTask(*job, t);
  }
}

/// Checks that each block that the frontier counts as leased is held by a worker, is claimed with a
/// result that was handed in, waits for its post_check, or waits for the disk.
void Engine::CheckTask(const Job& job, TaskIndex t) const {
  const TaskRun& task = job.tasks[t];
  uint64_t working = 0;
  uint64_t checking = 0;
  uint64_t confirming = 0;
  for (const WorkerId id : task.workers) {
    const Worker& worker = roster_.At(id);
    switch (worker.duty) {
      case Duty::kWork: working += worker.held.size(); break;
      case Duty::kCheck: checking += worker.held.size(); break;
      case Duty::kPostCheck: confirming += worker.held.size(); break;
    }
  }
  uint64_t handed_in = 0;
  for (const auto& [block, claim] : task.claims) handed_in += claim.result ? 1 : 0;
  uint64_t ending = 0;
  for (const auto& [block, end] : task.uncommitted) {
    ending += end == Ending::kSkipped ? 0 : 1;
  }
  for (const auto& [begin, end] : task.uncommitted_runs) ending += end - begin;
  BELLIS_CHECK(task.claims.empty() || task.recovering > 0,
               "only tasks with recovering workers have claims");
  BELLIS_CHECK(task.checking == checking, "the count of blocks with checkers is right");
  BELLIS_CHECK(task.unconfirmed.size() == task.to_confirm.size() + confirming,
               "each unconfirmed block waits for a post-checker, or a post-checker has it");
  BELLIS_CHECK(job.counts(t).leased == working + handed_in + task.unconfirmed.size() + ending,
               "each leased block is held by a worker, or has ended");
}

}  // namespace bellis
