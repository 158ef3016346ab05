// Resources that tasks and jobs compete for: never more are in use than there are, and no task
// waits for ever. An obedient launcher starts and ends workers, in time that passes as needed.

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "broker/core/broker_core.h"
#include "tests/broker/core/step.h"

namespace bellis::test {
namespace {

constexpr PeerId kUser{1};
constexpr PeerId kLauncher{2};

class Machine {
 public:
  explicit Machine(uint64_t seed) : random_(seed) {
    options_.resources = {{"cpu", Pick(3, 6)}, {"gpu", Pick(1, 2)}};
    core_ = std::make_unique<BrokerCore>(options_);
    Say(kUser, HelloMsg());
    HelloMsg launcher;
    launcher.role = Role::kLauncher;
    Say(kLauncher, launcher);
  }

  void Submit(uint64_t req) {
    JobSpec job;
    const int64_t tasks = Pick(1, 3);
    for (int64_t t = 0; t < tasks; ++t) {
      TaskSpec task;
      task.task_id = "t" + std::to_string(t);
      task.total_roi = Roi({0}, {Pick(1, 20)});
      task.read_roi = task.write_roi = Roi({0}, {1});
      task.required = {{"cpu", static_cast<uint32_t>(Pick(0, 3))},
                       {"gpu", static_cast<uint32_t>(Pick(0, 1))}};
      task.workers = {{{"work"}, static_cast<uint32_t>(Pick(1, 5)), {}}};
      if (t > 0 && Pick(0, 1) == 1) task.upstream.push_back("t" + std::to_string(t - 1));
      job.tasks.push_back(std::move(task));
    }
    jobs_.push_back(job);
    Say(kUser, SubmitMsg{req, std::move(job), false});
  }
  void SetWorkers() {
    const auto j = static_cast<size_t>(Pick(0, static_cast<int64_t>(jobs_.size()) - 1));
    const auto t = static_cast<size_t>(Pick(0, static_cast<int64_t>(jobs_[j].tasks.size()) - 1));
    SetWorkersMsg set;
    set.req = 9;
    set.job = "job-" + std::to_string(j + 1);
    set.task = jobs_[j].tasks[t].task_id;
    set.count = static_cast<uint32_t>(Pick(1, 6));
    Say(kUser, set);
  }

  bool done() {
    const std::vector<JobStatus> jobs = core_->Jobs(now_);
    return std::none_of(jobs.begin(), jobs.end(),
                        [](const JobStatus& job) { return job.state == JobState::kRunning; });
  }
  std::vector<JobStatus> jobs() { return core_->Jobs(now_); }
  int64_t Pick(int64_t lo, int64_t hi) {
    return std::uniform_int_distribution<int64_t>(lo, hi)(random_);
  }

  /// Does the next pending action of a worker or the launcher; if there is none, passes time to the
  /// next deadline.
  void Go() {
    if (todo_.empty()) {
      now_ = std::max(now_, effects_.next_deadline);
      return Step(TimePassed{});
    }
    const auto [peer, message] = todo_.front();
    todo_.pop_front();
    now_ = now_ + Duration::Millis(Pick(0, 400));
    if (const auto* hello = std::get_if<HelloMsg>(&message)) {
      if (running_.count(hello->worker) == 0) return;
      workers_[peer] = hello->worker;
    } else if (const auto* exited = std::get_if<ExitedMsg>(&message)) {
      if (running_.erase(exited->worker) == 0) return;
    }
    Say(peer, message);
  }

 private:
  void Say(PeerId peer, Message message) { Step(Received{peer, std::move(message)}); }

  void Step(Event event) {
    StepToRest(*core_, now_, std::move(event), effects_, [this] { See(); });
  }

  void See() {
    for (const Send& send : effects_.sends) {
      if (const auto* launch = std::get_if<LaunchMsg>(&send.message)) {
        Launch(*launch);
      } else if (const auto* stop = std::get_if<StopMsg>(&send.message)) {
        todo_.push_back({kLauncher, ExitedMsg{stop->worker, 0, 15, "", ""}});
      } else if (const auto* work = std::get_if<WorkMsg>(&send.message)) {
        for (const LeasedBlock& block : work->blocks) {
          todo_.push_back({send.to, ReleaseMsg{{{block.lease, BlockOutcome::kCompleted, ""}}, 1}});
        }
      } else if (std::holds_alternative<LeaveMsg>(send.message) ||
                 std::holds_alternative<DrainMsg>(send.message)) {
        todo_.push_back({send.to, ByeMsg()});
        todo_.push_back({kLauncher, ExitedMsg{workers_.at(send.to), 0, 0, "", ""}});
      }
    }
  }

  void Launch(const LaunchMsg& launch) {
    const size_t job = std::stoul(launch.job.substr(4)) - 1;
    for (const TaskSpec& task : jobs_[job].tasks) {
      if (task.task_id == launch.task) running_[launch.worker] = task.required;
    }
    Resources used;
    for (const auto& [worker, takes] : running_) {
      for (const auto& [name, amount] : takes) used[name] += amount;
    }
    for (const auto& [name, amount] : used) {
      ASSERT_LE(amount, options_.resources[name]) << name << " is used more than there is";
    }
    const PeerId peer(++last_peer_);
    HelloMsg hello;
    hello.role = Role::kWorker;
    hello.job = launch.job;
    hello.task = launch.task;
    hello.worker = launch.worker;
    todo_.push_back({kLauncher, LaunchedMsg{launch.worker, 100}});
    todo_.push_back({peer, hello});
    todo_.push_back({peer, AcquireMsg{1}});
  }

  std::mt19937_64 random_;
  CoreOptions options_;
  std::unique_ptr<BrokerCore> core_;
  Effects effects_;
  Instant now_;
  std::vector<JobSpec> jobs_;
  uint64_t last_peer_ = kLauncher.value;
  std::map<WorkerId, std::map<std::string, uint32_t>> running_;  // the resources of each worker
  std::map<PeerId, WorkerId> workers_;
  std::deque<std::pair<PeerId, Message>> todo_;
};

TEST(Budget, IsNeverExceededAndEveryTaskGetsItsTurn) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    Machine machine(seed);
    const int64_t jobs = machine.Pick(1, 3);
    for (int64_t j = 0; j < jobs; ++j) machine.Submit(static_cast<uint64_t>(j) + 1);
    for (int step = 0; !machine.done(); ++step) {
      ASSERT_LT(step, 20'000) << "every run ends";
      machine.Go();
      if (step % 50 == 20 && !machine.done()) machine.SetWorkers();
      if (HasFatalFailure()) return;
    }
    for (const JobStatus& job : machine.jobs()) {
      EXPECT_EQ(job.state, JobState::kCompleted) << job.job << ": " << job.reason;
    }
  }
}

TEST(Budget, ATaskThatCanNeverFitIsRefused) {
  CoreOptions options;
  options.resources = {{"gpu", 1}};
  BrokerCore core(options);
  Effects effects;
  core.Step(Instant(), Received{kUser, HelloMsg()}, &effects);
  JobSpec job;
  TaskSpec task;
  task.task_id = "t";
  task.total_roi = task.read_roi = task.write_roi = Roi({0}, {1});
  task.required = {{"gpu", 2}};
  task.workers = {{{"work"}, 1, {}}};
  job.tasks = {task};
  core.Step(Instant(), Received{kUser, SubmitMsg{1, job, false}}, &effects);
  ASSERT_EQ(effects.sends.size(), 1u);
  const auto* error = std::get_if<ErrorMsg>(&effects.sends[0].message);
  ASSERT_NE(error, nullptr);
  EXPECT_EQ(error->message, "task \"t\": requires.gpu is 2; this broker has 1");
}

}  // namespace
}  // namespace bellis::test
