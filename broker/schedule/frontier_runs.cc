// Runs of blocks: many blocks with consecutive indices are leased, and completed, as one.

#include <optional>

#include "broker/schedule/frontier.h"
#include "common/check.h"

namespace bellis {

BlockRun Frontier::LeaseRun(TaskIndex task, uint64_t max) {
  Task& t = tasks_[task];
  BlockRun run;
  if (!t.exclusive && t.claimed.empty()) run = t.ready.PopRoots(max);
  if (run.begin < run.end) {
    t.states.SetAll(run, BlockState::kIssued);
  } else {
    const auto first = Pop(task);
    if (!first) return {};
    run = {*first, *first + 1};
    while (!t.exclusive && t.claimed.empty() && run.end - run.begin < max && !WaitsForRoots(t)) {
      const auto next = t.ready.Pop();
      if (!next) break;
      if (next->block != run.end || t.states.Get(next->block) != BlockState::kIssued) {
        t.ready.Restore(*next);
        break;
      }
      ++run.end;
    }
  }
  const uint64_t blocks = run.end - run.begin;
  BELLIS_CHECK(t.counts.ready >= blocks, "a lease without a ready block");
  t.counts.ready -= blocks;
  t.counts.leased += blocks;
  if (t.exclusive) t.leased.insert(run.begin);
  return run;
}

void Frontier::CompleteRun(TaskIndex task, BlockRun run) {
  Task& t = tasks_[task];
  if (t.exclusive || t.direct || graph_->levels(task).num_levels() > 1 ||
      !graph_->downstream(task).empty()) {
    for (BlockIndex block = run.begin; block < run.end; ++block) Complete({task, block});
    return;
  }
  const uint64_t blocks = run.end - run.begin;
  BELLIS_CHECK(t.counts.leased >= blocks, "a lease ended that did not exist");
  t.counts.leased -= blocks;
  t.counts.completed += blocks;
  t.states.SetAll(run, BlockState::kCompleted);
  Touch(task);
  SettleDead();
}

}  // namespace bellis
