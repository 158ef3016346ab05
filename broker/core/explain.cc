// "Why isn't it running?": explains what a block waits for, step by step, down to a block that runs
// or has failed; and why a worker is idle.

#include "broker/core/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/core/dispatch.h"
#include "broker/core/losses.h"
#include "broker/core/requests.h"
#include "common/text/headline.h"

namespace bellis {

namespace {

/// The most steps of one chain: more than the levels and tasks of any sane job.
constexpr size_t kStepsMax = 64;

constexpr size_t kWorkersNamed = 3;

std::string Seconds(Duration duration) { return fmt::format("{:.1f} s", duration.seconds()); }

ExplainStep StepOf(const Job& job, BlockRef block, std::string state, std::string why) {
  const BlockGrid& grid = job.graph->grid(block.task);
  return {job.spec.tasks[block.task].task_id, grid.IdOf(grid.PointOf(block.block)), block.block,
          std::move(state), std::move(why)};
}

/// Whether the next process of some group is started when its back-off is over.
bool SomeGroupPauses(const Pool& pool, Instant now) {
  return std::any_of(pool.groups.begin(), pool.groups.end(), [now](const GroupRun& group) {
    return group.error.empty() && now < group.launch_at;
  });
}

}  // namespace

void Explainer::OnExplain(PeerId peer, const ExplainMsg& explain) {
  const Job* job = JobFor(turn_, jobs_, peer, "explain.job", explain.job, explain.req);
  if (job == nullptr) return;
  ExplainedMsg answer;
  answer.req = explain.req;
  if (explain.worker.set()) {
    const Worker* worker = roster_.Find(explain.worker);
    if (worker == nullptr || worker->job != job) {
      return turn_.Refuse(peer, ErrorCode::kUnknownWorker,
                          fmt::format("explain.worker is {}: job {} has no such worker (any more)",
                                      explain.worker.value, job->id),
                          explain.req);
    }
    answer.summary = ExplainWorker(*job, *worker, &answer.steps);
    return turn_.Send(peer, std::move(answer));
  }
  const auto& tasks = job->spec.tasks;
  TaskIndex t = 0;
  while (t < tasks.size() && tasks[t].task_id != explain.task &&
         !(explain.task.empty() && tasks.size() == 1)) {
    ++t;
  }
  if (t == tasks.size()) {
    return turn_.Refuse(
        peer, ErrorCode::kUnknownTask,
        fmt::format("explain.task is \"{}\": job {} has no such task", explain.task, job->id),
        explain.req);
  }
  if (!job->running()) {
    answer.summary =
        fmt::format("job {} has {}{}{}", job->id, job->state == JobState::kCancelled ? "been " : "",
                    JobStateName(job->state), job->reason.empty() ? "" : ": " + job->reason);
    return turn_.Send(peer, std::move(answer));
  }
  const auto index = job->graph->grid(t).IndexOfId(explain.block);
  if (!index) {
    return turn_.Refuse(peer, ErrorCode::kInvalidSpec,
                        fmt::format("explain.block is {}: task \"{}\" has no block of that id",
                                    explain.block, tasks[t].task_id),
                        explain.req);
  }
  answer.steps = ExplainBlock(*job, {t, *index});
  const ExplainStep& last = answer.steps.back();
  answer.summary = answer.steps.size() == 1
                       ? last.why
                       : fmt::format("it comes down to block {}/{}, which is {}: {}", last.task,
                                     last.block, last.state, last.why);
  turn_.Send(peer, std::move(answer));
}

std::vector<ExplainStep> Explainer::ExplainBlock(const Job& job, BlockRef block) const {
  const Frontier& frontier = *job.frontier;
  std::vector<ExplainStep> steps;
  std::optional<BlockRef> next = block;
  while (next && steps.size() < kStepsMax) {
    const BlockRef at = *std::exchange(next, std::nullopt);
    const auto name = [&job](BlockRef ref) {
      const BlockGrid& grid = job.graph->grid(ref.task);
      return fmt::format("{}/{}", job.spec.tasks[ref.task].task_id,
                         grid.IdOf(grid.PointOf(ref.block)));
    };
    const BlockMask* mask = job.graph->mask(at.task);
    if (mask != nullptr && !mask->Contains(at.block)) {
      steps.push_back(StepOf(job, at, "masked", "its write ROI meets nothing of the mask"));
      continue;
    }
    switch (frontier.state(at)) {
      case BlockState::kCompleted:
        steps.push_back(StepOf(job, at, "completed", "it is done"));
        break;
      case BlockState::kIssued: steps.push_back(ExplainReady(job, at, &next)); break;
      case BlockState::kDead: {
        next = frontier.DeadUpstream(at);
        if (next) {
          steps.push_back(StepOf(job, at, "orphaned", "it depends on " + name(*next)));
        } else if (frontier.abandoned(at.task)) {
          steps.push_back(
              StepOf(job, at, "orphaned", "its task was given up: " + job.tasks[at.task].error));
        } else {
          std::string why = "out of attempts";
          for (const FailureRecord& failure : job.tasks[at.task].failures) {
            if (failure.index != at.block) continue;
            why = fmt::format("attempt {} in worker {}: {}", failure.attempt, failure.worker.value,
                              Headline(failure.error));
          }
          steps.push_back(StepOf(job, at, "failed", why));
        }
        break;
      }
      case BlockState::kWaiting: {
        next = frontier.WaitsFor(at);
        if (next) {
          steps.push_back(StepOf(job, at, "pending", "it waits for " + name(*next)));
        } else if (frontier.has_work()) {
          steps.push_back(StepOf(job, at, "pending", "the broker is about to find it ready"));
        } else {
          steps.push_back(ExplainReady(job, at, &next));
        }
        break;
      }
    }
  }
  return steps;
}

/// What the user can do about a worker that is not connected and whose end nobody would report;
/// empty for any other worker.
std::string Explainer::WaitsForWord(const Worker& worker) const {
  if (roster_.PlaceOf(worker).launched() || worker.peer.set() || worker.heartbeat_ms > 0 ||
      !KeepsLeases(worker)) {
    return "";
  }
  const ProcessRef& process = worker.process;
  const std::string which = process.pid > 0 ? " (" + process.ToString() + ")" : "";
  if (!MayBeAliveBecause(worker, roster_, launchers_, options_.machine)
           .empty()) {  // on our machine: the broker sees its end
    return fmt::format("it sends no heartbeats: if its process{} hangs, end it", which);
  }
  return fmt::format(
      "it sends no heartbeats: if its process{} has ended, say so with bellis worker-gone {}",
      which, worker.id.value);
}

/// Why no block of this task is handed out, and what the user can do about it; empty if blocks may
/// be handed out.
std::string Explainer::TaskRestsBecause(const Job& job, TaskIndex t) const {
  std::string why = TaskHandsOutNothingBecause(job, t);
  if (why.empty()) return durable_.NothingIsLeasedBecause();
  if (job.spec.tasks[t].paused) return why;
  size_t named = 0;
  for (const WorkerId id : job.tasks[t].workers) {
    const Worker& worker = roster_.At(id);
    if (!worker.recovering || named == kWorkersNamed) continue;
    const std::string word = WaitsForWord(worker);
    if (word.empty()) continue;
    ++named;
    why += fmt::format("; worker {} has not come back, and {}", id.value, word);
  }
  return why;
}

/// The step of a block that is ready or leased. `*next`: the block that excludes it, if any.
ExplainStep Explainer::ExplainReady(const Job& job, BlockRef block,
                                    std::optional<BlockRef>* next) const {
  if (auto held = ExplainHeld(job, block)) return *held;
  const TaskRun& task = job.tasks[block.task];
  const TaskSpec& spec = job.spec.tasks[block.task];
  const Pool& pool = task.pool(Duty::kWork);
  const auto contains = [&block](const std::deque<BlockIndex>& blocks) {
    return std::find(blocks.begin(), blocks.end(), block.block) != blocks.end();
  };
  if (contains(task.to_confirm)) {
    return StepOf(job, block, "leased", "it is done, and waits for a post_check");
  }
  const auto attempts = task.attempts.find(block.block);
  if (contains(task.held_back) && attempts != task.attempts.end() &&
      turn_.now() < attempts->second.open_at) {
    return StepOf(
        job, block, "ready",
        fmt::format("{} attempts failed; it waits up to {} for a worker that has not "
                    "failed it",
                    attempts->second.failed, Seconds(attempts->second.open_at - turn_.now())));
  }
  if (contains(task.held_back) && task.apart_for(Duty::kWork).contains(block.block)) {
    return StepOf(
        job, block, "ready",
        "it was out with others when a worker was lost, and waits for a worker that holds "
        "nothing");
  }
  *next = job.frontier->WaitsFor(block);  // exclusive mode
  if (*next) return StepOf(job, block, "ready", "a block that it conflicts with is out");
  const std::string none = TaskRestsBecause(job, block.task);
  if (!none.empty()) return StepOf(job, block, "ready", none);
  if (spec.check && !contains(task.cleared)) {
    return StepOf(job, block, "ready",
                  fmt::format("it waits to be checked; {} checkers are connected",
                              task.pool(Duty::kCheck).live));
  }
  if (!task.open && spec.min_workers > pool.asked) {
    return StepOf(job, block, "ready",
                  fmt::format("the task starts when {} workers have asked for a block; {} have",
                              spec.min_workers, pool.asked));
  }
  if (const std::string lacking = budget_.Lacking(spec); pool.live == 0 && !lacking.empty()) {
    return StepOf(job, block, "ready",
                  fmt::format("no worker can be started: other tasks have all {}", lacking));
  }
  if (pool.live == 0) {
    const char* why = pool.starting > 0       ? "its workers are being started"
                      : launchers_.NoneHere() ? "no worker and no launcher is connected"
                      : SomeGroupPauses(pool, turn_.now())
                          ? "no worker is connected; the next is started soon"
                      : spec.workers.empty() ? "no worker is connected; you start them yourself"
                                             : "no worker is connected";
    return StepOf(job, block, "ready", why);
  }
  if (job.spec.serial) return StepOf(job, block, "ready", "the job is serial; it waits its turn");
  return StepOf(job, block, "ready",
                fmt::format("it waits its turn among {} ready blocks, for one of {} workers",
                            job.counts(block.task).ready, pool.live));
}

std::optional<ExplainStep> Explainer::ExplainHeld(const Job& job, BlockRef block) const {
  for (const WorkerId id : job.tasks[block.task].workers) {
    const Worker& worker = roster_.At(id);
    for (size_t i = 0; i < worker.held.size(); ++i) {
      const Lease& lease = worker.held[i];
      if (lease.block != block.block) continue;
      const std::string who =
          fmt::format("{} {} ({})", worker.duty == Duty::kWork ? "worker" : "checker", id.value,
                      worker.language);
      const char* state = worker.duty == Duty::kCheck ? "ready" : "leased";
      std::string word = WaitsForWord(worker);
      if (!word.empty()) word.insert(0, "; it is not connected, and ");
      if (i > 0) {
        return StepOf(job, block, state,
                      fmt::format("{} has it, behind {} others{}", who, i, word));
      }
      return StepOf(
          job, block, state,
          fmt::format(
              "{} is at it since {}, attempt {}{}{}", who, Seconds(turn_.now() - lease.start),
              lease.attempt,
              worker.loss_reason.empty() ? "" : "; it is being stopped: " + worker.loss_reason,
              word));
    }
  }
  return std::nullopt;
}

std::string Explainer::ExplainWorker(const Job& job, const Worker& worker,
                                     std::vector<ExplainStep>* steps) const {
  const TaskSpec& spec = job.spec.tasks[worker.task];
  const TaskRun& task = job.tasks[worker.task];
  if (!worker.loss_reason.empty()) return "it is being stopped: " + worker.loss_reason;
  if (worker.is_leaving()) {
    const bool gone = !worker.peer.set() && worker.held.empty() && !worker.expected();
    return gone ? "it was asked to leave, and has left" : "it was asked to leave";
  }
  if (worker.expected()) return "it was launched, and has not said hello yet";
  if (!worker.peer.set()) {
    const std::string word = WaitsForWord(worker);
    return word.empty() ? "it is not connected" : "it is not connected, and " + word;
  }
  if (!worker.held.empty()) {
    steps->push_back(*ExplainHeld(job, {worker.task, worker.held.front().block}));
    return fmt::format("it is not idle: it holds {} block{}", worker.held.size(),
                       worker.held.size() == 1 ? "" : "s");
  }
  if (!worker.parked) return "it has not asked for a block";
  std::string none = TaskRestsBecause(job, worker.task);
  if (!none.empty()) return none;
  const BlockCounts& counts = job.counts(worker.task);
  if (worker.duty != Duty::kWork) return "no block waits to be looked at";
  if (!task.open && spec.min_workers > task.pool(Duty::kWork).asked) {
    return fmt::format("the task starts when {} workers have asked for a block; {} have",
                       spec.min_workers, task.pool(Duty::kWork).asked);
  }
  if (job.spec.serial && job.leased() > 0) return "the job is serial, and one block is out";
  if (!task.held_back.empty()) {
    return fmt::format(
        "what is ready ({}) are retries that it is to leave to others for a while, or to take "
        "alone",
        task.held_back.size());
  }
  if (const auto block = job.frontier->AnyUnfinished(worker.task)) {
    *steps = ExplainBlock(job, {worker.task, *block});
  }
  return fmt::format(
      "no block of its task can be handed out: {} ready, {} with workers, {} wait "
      "for others; one of them:",
      counts.ready, counts.leased, counts.pending);
}

}  // namespace bellis
