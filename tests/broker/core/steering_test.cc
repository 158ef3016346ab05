// Users steer a job while it runs, at random moments of random jobs: they retry failed blocks, and
// pause and resume tasks.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "broker/core/broker_core.h"
#include "tests/broker/core/step.h"
#include "tests/broker/schedule/random_job.h"

namespace bellis::test {
namespace {

constexpr PeerId kUser{1};

struct Out {
  PeerId worker;
  TaskIndex task = 0;
  LeasedBlock block;
};

/// A broker with one job and a greedy worker for each of its tasks. With every other seed, the
/// broker keeps its state on a slow disk.
class SteeredJob {
 public:
  explicit SteeredJob(uint64_t seed) : random_(seed) {
    options_.durable = seed % 2 == 1;
    core_ = std::make_unique<BrokerCore>(options_);
    spec_ = random_.Make();
    for (TaskSpec& task : spec_.tasks) {
      task.unsafe_leases = true;
      task.max_retries = static_cast<uint32_t>(random_.Pick(0, 1));
    }
    Step(Received{kUser, HelloMsg()});
    Step(Received{kUser, SubmitMsg{1, spec_, false}});
    Commit();
  }

  /// Workers that were told to leave do so, and each task with work gets a worker.
  void SendWorkers() {
    for (const PeerId peer : std::exchange(told_to_leave_, {})) {
      workers_.erase(peer);
      Say(peer, ByeMsg());
    }
    for (TaskIndex t = 0; t < spec_.tasks.size() && running(); ++t) {
      const bool has = std::any_of(workers_.begin(), workers_.end(),
                                   [t](const auto& worker) { return worker.second == t; });
      if (has || status().tasks[t].counts.unfinished() == 0) continue;
      const PeerId peer(++last_peer_);
      workers_[peer] = t;
      HelloMsg hello;
      hello.role = Role::kWorker;
      hello.task = spec_.tasks[t].task_id;
      Say(peer, hello);
      Commit();  // the worker's id
      Commit();  // the worker's session
      Say(peer, AcquireMsg{static_cast<uint32_t>(random_.Pick(1, 6))});
    }
  }

  bool running() { return status().state == JobState::kRunning; }
  JobStatus status() { return core_->Jobs(now_).at(0); }
  bool anything_out() const { return !out_.empty(); }
  uint64_t refused() const { return refused_; }
  uint64_t retried() const { return retried_; }

  /// Releases some block that is out.
  void Release(bool completed) {
    const auto it = std::next(out_.begin(), random_.Pick(0, static_cast<int>(out_.size()) - 1));
    const Out over = it->second;
    out_.erase(it);
    if (completed) completed_.insert({over.task, over.block.index});
    const auto outcome = completed ? BlockOutcome::kCompleted : BlockOutcome::kFailed;
    Say(over.worker, ReleaseMsg{{{over.block.lease, outcome, "x"}}, 1});
  }
  void Retry() { Say(kUser, RetryFailedMsg{2, "job-1"}); }
  void Pause(bool paused) {
    const auto task =
        static_cast<size_t>(random_.Pick(0, static_cast<int>(spec_.tasks.size()) - 1));
    if (paused) return Say(kUser, PauseMsg{3, "job-1", spec_.tasks[task].task_id});
    Say(kUser, ResumeMsg{3, "job-1", ""});
  }
  int Pick(int lo, int hi) { return random_.Pick(lo, hi); }
  /// All records so far are on disk.
  void Commit() {
    if (options_.durable) Step(Committed{records_});
  }

 private:
  void Step(Event event) {
    StepToRest(*core_, now_, std::move(event), effects_, [this] { See(); });
  }

  void Say(PeerId peer, Message message) {
    Step(Received{peer, std::move(message)});
    if (random_.Pick(0, 3) == 0) Commit();
    now_ = now_ + Duration::Millis(1);
    for (const TaskStatus& task : status().tasks) {
      const BlockCounts& c = task.counts;
      ASSERT_EQ(c.blocks,
                c.masked + c.pending + c.ready + c.leased + c.completed + c.failed + c.orphaned);
    }
  }

  void See() {
    records_ += effects_.records.size();
    for (const Send& send : effects_.sends) {
      if (const auto* work = std::get_if<WorkMsg>(&send.message)) {
        for (const LeasedBlock& block : work->blocks) Take(send.to, block);
      } else if (const auto* retried = std::get_if<RetriedMsg>(&send.message)) {
        retried_ += retried->blocks;
      } else if (const auto* error = std::get_if<ErrorMsg>(&send.message)) {
        ASSERT_EQ(error->req, 2u) << error->message;  // a retry that is not possible
        ASSERT_EQ(error->code, ErrorCode::kLimit) << error->message;
        ++refused_;
      } else if (std::holds_alternative<LeaveMsg>(send.message)) {
        told_to_leave_.insert(send.to);
      }
    }
  }

  void Take(PeerId worker, const LeasedBlock& block) {
    const TaskIndex task = workers_.at(worker);
    ASSERT_EQ(completed_.count({task, block.index}), 0u) << "completed blocks stay completed";
    for (const auto& [lease, other] : out_) {
      if (other.task != task) continue;
      ASSERT_NE(other.block.index, block.index) << "one lease a block";
      if (spec_.tasks[task].read_write_conflict == Conflict::kNone) continue;
      ASSERT_FALSE(other.block.read.Intersects(block.write)) << "conflicting blocks are out";
      ASSERT_FALSE(block.read.Intersects(other.block.write)) << "conflicting blocks are out";
    }
    out_.emplace(block.lease, Out{worker, task, block});
  }

  RandomJob random_;
  JobSpec spec_;
  CoreOptions options_;
  std::unique_ptr<BrokerCore> core_;
  Effects effects_;
  uint64_t records_ = 0;
  Instant now_;
  uint64_t last_peer_ = kUser.value;
  std::map<PeerId, TaskIndex> workers_;
  std::set<PeerId> told_to_leave_;
  std::map<LeaseId, Out> out_;
  std::set<std::pair<TaskIndex, BlockIndex>> completed_;
  uint64_t refused_ = 0;
  uint64_t retried_ = 0;
};

TEST(Steering, RandomJobsEndRightWhateverIsAskedOfThem) {
  uint64_t refused = 0;
  uint64_t retried = 0;
  for (uint64_t seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE(seed);
    SteeredJob job(seed);
    const int failing = job.Pick(0, 30);
    for (int step = 0; job.running(); ++step) {
      ASSERT_LT(step, 100'000) << "every run ends";
      const bool calm = step > 2000;
      job.SendWorkers();
      const int dice = job.Pick(1, 100);
      if (!calm && dice <= 5) {
        if (job.running()) job.Retry();
      } else if (!calm && dice <= 8) {
        if (job.running()) job.Pause(true);
      } else if (calm || dice <= 14 || !job.anything_out()) {
        if (job.running()) job.Pause(false);
        job.Commit();
      }
      if (job.running() && job.anything_out()) job.Release(calm || job.Pick(1, 100) > failing);
      if (HasFatalFailure()) return;
    }
    refused += job.refused();
    retried += job.retried();
  }
  EXPECT_GT(retried, 1000u);
  EXPECT_GT(refused, 0u);
}

}  // namespace
}  // namespace bellis::test
