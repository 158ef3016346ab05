// Blocks and leases of the model: what may be handed out, and what a release means.

#include <fmt/format.h>

#include <algorithm>

#include "tests/sim/model.h"

namespace bellis::sim {

void Model::Submit(const SubmitMsg& submit, const std::string& id) {
  Job job;
  job.spec = submit.spec;
  job.id = id;
  job.plain = LayOut(job.spec);
  job.tasks.resize(job.spec.tasks.size());
  job.blocks.resize(job.plain.blocks.size());
  for (size_t b = 0; b < job.blocks.size(); ++b) {
    const PlainBlock& plain = job.plain.blocks[b];
    BlockCounts& counts = job.tasks[plain.task].counts;
    Block& block = job.blocks[b];
    const auto works = [&job](size_t other) { return !job.plain.blocks[other].masked; };
    block.waits_for =
        static_cast<size_t>(std::count_if(plain.needs.begin(), plain.needs.end(), works));
    block.waits_after =
        static_cast<size_t>(std::count_if(plain.after.begin(), plain.after.end(), works));
    ++counts.blocks;
    ++counts.pending;
    if (plain.masked) {
      Move(job, b, BlockState::kMasked);
    } else if (block.waits_for == 0 && block.waits_after == 0) {
      Move(job, b, BlockState::kReady);
    }
  }
  jobs_.push_back(std::move(job));
}

void Model::Move(Job& job, size_t position, BlockState to) {
  BlockCounts& counts = job.tasks[job.plain.blocks[position].task].counts;
  const auto count_of = [&](BlockState state) -> uint64_t& {
    switch (state) {
      case BlockState::kMasked: return counts.masked;
      case BlockState::kPending: return counts.pending;
      case BlockState::kReady: return counts.ready;
      case BlockState::kLeased: return counts.leased;
      case BlockState::kCompleted: return counts.completed;
      case BlockState::kFailed: return counts.failed;
      default: return counts.orphaned;
    }
  };
  BlockState& state = job.blocks[position].state;
  if (state == BlockState::kLeased) --job.leased;
  if (to == BlockState::kLeased) ++job.leased;
  --count_of(state);
  ++count_of(to);
  state = to;
}

void Model::OnRelease(WorkerId id, const ReleaseMsg& release) {
  Worker& worker = workers_.at(id);
  for (const BlockResult& result : ResultsOf(release)) {
    const auto held = std::find_if(worker.held.begin(), worker.held.end(),
                                   [&](const Held& h) { return h.lease == result.lease; });
    // A late, duplicate or foreign result changes nothing. CheckCounts sees whether it did.
    if (held == worker.held.end() || worker.lost) continue;
    const bool first = held == worker.held.begin();
    const size_t position = held->block;
    worker.held.erase(held);
    const bool yes = result.outcome == BlockOutcome::kCompleted;
    const bool answer = worker.duty != Duty::kWork && result.outcome == BlockOutcome::kFailed &&
                        result.error.empty();
    if (yes || answer) CountAnswer(worker);
    if (result.outcome == BlockOutcome::kReturned) {
      GiveBack(worker, position);
    } else {
      Apart(jobs_[worker.job].blocks[position], worker.duty) = false;
      Answered(id, worker, position, yes);
    }
    if (first) StartBlock(worker);
  }
}

/// Takes back a block as it was before the hand-out, since no worker or checker has begun with it.
void Model::GiveBack(const Worker& worker, size_t position) {
  Job& job = jobs_[worker.job];
  Block& block = job.blocks[position];
  switch (worker.duty) {
    case Duty::kWork: return Move(job, position, BlockState::kReady);
    case Duty::kCheck: block.checking = false; return;
    case Duty::kPostCheck: block.confirming = false; return;
  }
}

/// A worker has done or failed a block that it held, or a checker has answered.
void Model::Answered(WorkerId id, const Worker& worker, size_t position, bool yes) {
  Job& job = jobs_[worker.job];
  Block& block = job.blocks[position];
  switch (worker.duty) {
    case Duty::kWork:
      if (!yes) return FailAttempt(id, job, position);
      if (!job.spec.tasks[worker.task].post_check) return Complete(job, position);
      block.done_by = id;  // the block still counts as leased
      return;
    case Duty::kCheck:
      block.checking = false;
      block.cleared = !yes;
      if (!yes) return;
      ++job.tasks[worker.task].counts.skipped;
      return Complete(job, position);
    case Duty::kPostCheck: {
      const WorkerId done_by = std::exchange(block.done_by, WorkerId());
      block.confirming = false;
      if (yes) return Complete(job, position);
      return FailAttempt(done_by, job, position);
    }
  }
}

void Model::AddCredit(WorkerId id, uint64_t want, const Effects* effects) {
  Worker& worker = workers_.at(id);
  if (worker.leaving || want == 0) return;
  // A worker that is told to leave in the same Step does not count as asking, unless it was given
  // work in that Step before: then it had asked.
  if (effects != nullptr) {
    for (const Send& send : effects->sends) {
      if (send.to != worker.peer) continue;
      if (std::holds_alternative<WorkMsg>(send.message)) break;
      if (std::holds_alternative<DrainMsg>(send.message)) return;
      if (std::holds_alternative<LeaveMsg>(send.message)) return;
    }
  }
  if (want + worker.credit + worker.held.size() > kWantMax) {
    const bool refused =
        std::any_of(effects->sends.begin(), effects->sends.end(), [&](const Send& send) {
          const auto* error = std::get_if<ErrorMsg>(&send.message);
          return send.to == worker.peer && error != nullptr && error->code == ErrorCode::kLimit;
        });
    return Require(refused, "no worker may ask for more than 1,024 blocks",
                   [&] { return fmt::format("worker {} asked for {}", id.value, want); });
  }
  worker.credit += want;
  if (worker.duty != Duty::kWork) return;
  Task& task = jobs_[worker.job].tasks[worker.task];
  task.first_request = std::min(task.first_request, now_);
}

void Model::OnWork(PeerId peer, const WorkMsg& work) {
  const WorkerId id = peers_.at(peer).worker;
  const auto at = workers_.find(id);
  Require(at != workers_.end() && Live(at->second), "no work after leave or drain",
          [&] { return fmt::format("worker {} got work", id.value); });
  const std::vector<LeasedBlock> blocks = BlocksOf(peers_.at(peer), work);
  Require(!blocks.empty(), "work holds at least one block", [] { return ""; });
  Worker& worker = at->second;
  Job& job = jobs_[worker.job];
  LeaseId before;
  for (const LeasedBlock& leased : blocks) {
    Require(leased.lease > before && new_leases_.insert(leased.lease).second, "lease ids only grow",
            [&] { return fmt::format("{} again", leased.lease.value); });
    before = leased.lease;
    Require(worker.credit > 0, "no more blocks than were asked for",
            [&] { return fmt::format("worker {}", id.value); });
    --worker.credit;
    Require(given_up_now_.count({worker.job, worker.task}) == 0,
            "a task that is given up hands out no block",
            [&] { return fmt::format("worker {}", id.value); });
    const size_t first = job.plain.first[worker.task];
    Require(leased.index < job.plain.first[worker.task + 1] - first, "blocks exist",
            [&] { return fmt::format("block {}", leased.index); });
    const size_t position = first + leased.index;
    CheckPlace(worker, leased, position);
    if (worker.duty == Duty::kWork) {
      CheckGrant(worker, id, leased, position);
    } else {
      CheckQuestion(worker, position);
    }
    CheckAlone(id, position);
    TakeGrant(worker, position);
    worker.held.push_back({leased.lease, position});
    if (worker.held.size() == 1) StartBlock(worker);
  }
}

std::string Model::NameOf(const Job& job, size_t position) const {
  const PlainBlock& plain = job.plain.blocks[position];
  return fmt::format("block {} of {}/{}, read {} write {}", plain.index, job.id,
                     job.spec.tasks[plain.task].task_id, plain.read.ToString(),
                     plain.write.ToString());
}

void Model::TakeGrant(const Worker& worker, size_t position) {
  Job& job = jobs_[worker.job];
  Block& block = job.blocks[position];
  switch (worker.duty) {
    case Duty::kWork:
      block.cleared = false;  // if the block comes back, it is checked again
      return Move(job, position, BlockState::kLeased);
    case Duty::kCheck: block.checking = true; return;
    case Duty::kPostCheck: block.confirming = true; return;
  }
}

/// Checks the rules that hold for every hand-out, whatever the duty.
void Model::CheckPlace(const Worker& worker, const LeasedBlock& leased, size_t position) {
  const Job& job = jobs_[worker.job];
  const PlainBlock& plain = job.plain.blocks[position];
  const Block& block = job.blocks[position];
  Require(!job.ended, "no work for jobs that ended", [&] { return job.id; });
  for (const size_t need : plain.needs) {
    Require(job.blocks[need].state == BlockState::kCompleted || job.plain.blocks[need].masked,
            "order: a block is leased only after all blocks that it depends on completed",
            [&] { return NameOf(job, position) + " before " + NameOf(job, need); });
  }
  Require(ToBox(leased.read).Same(plain.read) && ToBox(leased.write).Same(plain.write) &&
              leased.id == plain.id,
          "a block's geometry agrees with the definition", [&] {
            return fmt::format("{}, id {}; sent read {} write {}, id {}", NameOf(job, position),
                               plain.id, leased.read.ToString(), leased.write.ToString(),
                               leased.id);
          });
  Require(leased.attempt == block.failed + 1, "attempts are counted", [&] {
    return fmt::format("{}: attempt {} after {} failed", NameOf(job, position), leased.attempt,
                       block.failed);
  });
}

/// Checkers look at ready blocks before they are leased, post-checkers at done blocks before they
/// count as completed. One checker at a time looks at a block, and only once at a ready block.
void Model::CheckQuestion(const Worker& worker, size_t position) {
  const Job& job = jobs_[worker.job];
  const Block& block = job.blocks[position];
  if (worker.duty == Duty::kCheck) {
    return Require(block.state == BlockState::kReady && !block.checking && !block.cleared,
                   "ready blocks that were not checked go to checkers",
                   [&] { return NameOf(job, position); });
  }
  Require(block.state == BlockState::kLeased && block.done_by.set() && !block.confirming,
          "unconfirmed blocks go to post-checkers", [&] { return NameOf(job, position); });
}

void Model::CheckGrant(const Worker& worker, WorkerId id, const LeasedBlock& leased,
                       size_t position) {
  const Job& job = jobs_[worker.job];
  const Task& task = job.tasks[worker.task];
  const TaskSpec& spec = job.spec.tasks[worker.task];
  const PlainBlock& plain = job.plain.blocks[position];
  const Block& block = job.blocks[position];
  Require(block.state == BlockState::kReady, "only ready blocks are leased",
          [&] { return NameOf(job, position); });
  Require(!block.checking && block.cleared == spec.check.has_value(),
          "a block is leased only after its check has said no",
          [&] { return fmt::format("{}, lease {}", NameOf(job, position), leased.lease.value); });
  Require(!job.spec.serial || job.leased == 0, "serial: one block at a time",
          [&] { return NameOf(job, position); });
  // Blocks that are done but not confirmed exclude their neighbours, too.
  for (size_t b = job.plain.first[worker.task]; b < job.plain.first[worker.task + 1]; ++b) {
    if (spec.read_write_conflict == Conflict::kNone) break;
    if (job.blocks[b].state != BlockState::kLeased) continue;
    const PlainBlock& out = job.plain.blocks[b];
    Require(!plain.read.Meets(out.write) && !plain.write.Meets(out.read),
            "exclusion: conflicting blocks are never leased together",
            [&] { return NameOf(job, position) + " with " + NameOf(job, b); });
  }
  Require(task.enough || now_ >= task.first_request + options_.min_workers_wait,
          "no block is handed out before min_workers have asked",
          [&] { return NameOf(job, position); });
  CheckRetry(job, worker, id, position);
}

/// SEMANTICS "failed": the retry goes to a worker that has not failed the block, while there is
/// one, for a bounded time.
void Model::CheckRetry(const Job& job, const Worker& worker, WorkerId id, size_t position) {
  const Block& block = job.blocks[position];
  if (block.failed_by.count(id) == 0) return;
  if (now_ >= block.failed_at + options_.other_worker_wait) return;
  for (const auto& [other_id, other] : workers_) {
    if (other.job != worker.job || other.task != worker.task || !Live(other)) continue;
    if (other.duty != Duty::kWork) continue;
    Require(block.failed_by.count(other_id) > 0, "a retry goes to another worker", [&] {
      return fmt::format("block {} went to worker {}, which failed it, and not to {}",
                         job.plain.blocks[position].index, id.value, other_id.value);
    });
  }
}

void Model::StartBlock(Worker& worker) {
  const Duration timeout = jobs_[worker.job].spec.tasks[worker.task].timeout;
  const bool bounded = !worker.held.empty() && timeout.ns > 0;
  worker.deadline = bounded ? now_ + timeout : Instant::Never();
}

void Model::FailAttempt(WorkerId id, Job& job, size_t position) {
  Block& block = job.blocks[position];
  const size_t task = job.plain.blocks[position].task;
  ++job.tasks[task].failures;
  ++block.failed;
  if (block.failed > job.spec.tasks[task].max_retries) {
    Move(job, position, BlockState::kFailed);
    OrphanDependents(job, position);
    return BecameFinal(job, position);
  }
  block.failed_by.insert(id);
  block.failed_at = now_;
  Move(job, position, BlockState::kReady);
}

void Model::Complete(Job& job, size_t position) {
  Move(job, position, BlockState::kCompleted);
  for (const size_t other : job.plain.blocks[position].needed_by) {
    --job.blocks[other].waits_for;
    MaybeReady(job, other);
  }
  BecameFinal(job, position);
}

void Model::MaybeReady(Job& job, size_t position) {
  const Block& block = job.blocks[position];
  if (block.state != BlockState::kPending || block.waits_for > 0 || block.waits_after > 0) return;
  Move(job, position, BlockState::kReady);
}

/// The block is final: blocks of higher levels that conflict with it directly wait for it no more.
void Model::BecameFinal(Job& job, size_t position) {
  for (const size_t other : job.plain.blocks[position].after_by) {
    --job.blocks[other].waits_after;
    MaybeReady(job, other);
  }
}

void Model::OrphanDependents(Job& job, size_t position) {
  std::vector<size_t> lost = {position};
  while (!lost.empty()) {
    const size_t at = lost.back();
    lost.pop_back();
    for (const size_t other : job.plain.blocks[at].needed_by) {
      if (job.blocks[other].state != BlockState::kPending) continue;
      Move(job, other, BlockState::kOrphaned);
      BecameFinal(job, other);
      lost.push_back(other);
    }
  }
}

/// Gives up a task: its leases end, its remaining blocks are orphaned, and the blocks that depend
/// on them.
void Model::GiveUp(Job& job, size_t task) {
  job.tasks[task].given_up = true;
  for (auto& [id, worker] : workers_) {
    if (&jobs_[worker.job] == &job && worker.task == task) worker.held.clear();
  }
  for (size_t b = job.plain.first[task]; b < job.plain.first[task + 1]; ++b) {
    const BlockState state = job.blocks[b].state;
    const bool unfinished = state == BlockState::kPending || state == BlockState::kReady ||
                            state == BlockState::kLeased;
    if (!unfinished) continue;
    Move(job, b, BlockState::kOrphaned);
    job.blocks[b].done_by = WorkerId();
  }
  for (size_t b = job.plain.first[task]; b < job.plain.first[task + 1]; ++b) {
    if (job.blocks[b].state == BlockState::kOrphaned) OrphanDependents(job, b);
  }
}

void Model::EndJob(Job& job, const JobStatus& status) {
  BlockCounts sum;
  for (const Task& task : job.tasks) {
    sum.pending += task.counts.unfinished();
    sum.failed += task.counts.failed + task.counts.orphaned;
  }
  const auto words = [&] {
    return fmt::format("{} {} with {} unfinished, {} failed or orphaned", job.id,
                       JobStateName(status.state), sum.pending, sum.failed);
  };
  if (status.state == JobState::kCancelled) {
    Require(job.cancelled, "only cancelled jobs are cancelled", words);
  } else {
    Require(sum.pending == 0, "completeness: every block of a job that ended is final", words);
    Require((status.state == JobState::kCompleted) == (sum.failed == 0),
            "completed means every block", words);
  }
  for (size_t t = 0; t < job.tasks.size(); ++t) {
    const bool given_up = job.tasks[t].given_up;
    GiveUp(job, t);
    job.tasks[t].given_up = given_up;
  }
  job.ended = true;
}

}  // namespace bellis::sim
