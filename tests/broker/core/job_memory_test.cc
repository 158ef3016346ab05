// Limits on a job's use of the broker's memory and loop. A job that would take too much memory is
// refused at submit, with the figure; a job that takes long to build is built elsewhere; a job that
// outgrows its limit is ended.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "broker/core/broker_core.h"
#include "broker/schedule/plan.h"
#include "broker/schedule/schedule_build.h"
#include "tests/broker/core/step.h"
#include "tests/broker/schedule/job_fixture.h"

namespace bellis::test {
namespace {

constexpr PeerId kUser{1};

class JobMemory : public ::testing::Test {
 protected:
  void Start(uint64_t job_memory_max, uint64_t build_work_inline_max = 1000,
             uint64_t masks_ended_kept = UINT64_MAX) {
    CoreOptions options;
    options.job_memory_max = job_memory_max;
    options.masks_ended_kept = masks_ended_kept;
    options.build_work_inline_max = build_work_inline_max;
    core_ = std::make_unique<BrokerCore>(options);
    Say(HelloMsg());
  }
  void Happens(Event event) {
    sends_.clear();
    builds_.clear();
    StepToRest(*core_, Instant{}, std::move(event), effects_, [&] {
      for (Send& send : effects_.sends) sends_.push_back(send);
      for (Build& build : effects_.builds) builds_.push_back(build);
    });
  }
  void Say(Message message, PeerId peer = kUser) { Happens(Received{peer, std::move(message)}); }
  std::string Refusal() const {
    if (sends_.size() != 1) return "";
    const auto* error = std::get_if<ErrorMsg>(&sends_[0].message);
    return error != nullptr && error->code == ErrorCode::kLimit ? error->message : "";
  }
  bool Submitted() const {
    return sends_.size() == 1 && std::holds_alternative<SubmittedMsg>(sends_[0].message);
  }

  std::unique_ptr<BrokerCore> core_;
  Effects effects_;
  std::vector<Send> sends_;
  std::vector<Build> builds_;
};

JobSpec Chunks(int64_t blocks, int64_t context = 0) {
  JobSpec job;
  job.name = "job";
  job.tasks = {Line("a", blocks, context)};
  return job;
}

/// A job with a mask of one voxel for each block; every other voxel is true.
JobSpec Masked(int64_t blocks) {
  JobSpec job = Chunks(blocks);
  MaskSpec mask;
  mask.offset = {0};
  mask.voxel_size = {10};
  mask.shape = {blocks};
  mask.bits.assign(static_cast<size_t>((blocks + 7) / 8), '\xAA');
  job.tasks[0].mask = std::move(mask);
  return job;
}

TEST_F(JobMemory, HasNothingToDoWithTheNumberOfBlocks) {
  Start(10'000'000);
  Say(SubmitMsg{1, Chunks(int64_t{1} << 57)});
  EXPECT_TRUE(Submitted());
  EXPECT_LT(core_->schedule_bytes(), 1'000'000u);
}

TEST_F(JobMemory, ThePlanOfVeryManyBlocksDoesNotWrapAround) {
  const auto plan = MakePlan(Chunks(int64_t{1} << 57, 5));
  ASSERT_TRUE(plan.ok());
  EXPECT_GT(plan->memory.at_most, uint64_t{1} << 62);
  EXPECT_LT(plan->memory.expected, 10'000'000u);
}

TEST_F(JobMemory, BeyondTheLimitIsRefusedWithBothFigures) {
  JobSpec job = Chunks(100'000'000, 5);
  job.tasks[0].order = Order::kFifo;  // half of the blocks wait in the queue
  const auto plan = MakePlan(job);
  ASSERT_TRUE(plan.ok());
  ASSERT_GT(plan->memory.expected, 1'000'000'000u);
  Start(1'000'000'000);
  Say(SubmitMsg{1, job});
  EXPECT_NE(Refusal().find(std::to_string(plan->memory.expected / 1'000'000 + 1) + " MB"),
            std::string::npos)
      << Refusal();
  EXPECT_NE(Refusal().find("a job may take 1000 MB"), std::string::npos) << Refusal();
  EXPECT_TRUE(core_->Jobs(Instant{}).empty());
}

TEST_F(JobMemory, OfMasksIsRefusedBeforeTheyAreBuilt) {
  Start(100'000, UINT64_MAX);
  Say(SubmitMsg{1, Masked(100'000)});
  EXPECT_NE(Refusal().find("the masks of this job take up to"), std::string::npos) << Refusal();
}

TEST_F(JobMemory, MasksOfEndedJobsTakeNoMoreThanThat) {
  const JobSpec job = Masked(80);
  ASSERT_EQ(job.tasks[0].mask->bits.size(), 10u);
  Start(UINT64_MAX, 1000, 25);
  for (uint32_t i = 1; i <= 6; ++i) {
    Say(SubmitMsg{2 * i, job});
    ASSERT_TRUE(Submitted());
    Say(CancelMsg{2 * i + 1, std::get<SubmittedMsg>(sends_[0].message).job, ""});
  }
  const std::vector<JobStatus> kept = core_->Jobs(Instant{});
  ASSERT_EQ(kept.size(), 2u) << "of ten bytes each";
  EXPECT_EQ(kept.back().job, "job-6") << "the oldest are forgotten";
}

TEST_F(JobMemory, MasksThatTakeLongAreBuiltElsewhere) {
  Start(UINT64_MAX);
  Say(SubmitMsg{1, Masked(100)});
  EXPECT_TRUE(Submitted()) << "a small one is built at once";
  Say(SubmitMsg{2, Masked(10'000)});
  EXPECT_TRUE(sends_.empty());
  ASSERT_EQ(builds_.size(), 1u);
  const Build build = builds_[0];
  EXPECT_EQ(build.spec->tasks[0].mask, Masked(10'000).tasks[0].mask);

  Say(SubmitMsg{3, Masked(10'000)});
  EXPECT_NE(Refusal().find("1 of this client"), std::string::npos) << Refusal();
  Say(PingMsg{7});
  ASSERT_EQ(sends_.size(), 1u) << "the loop goes on";
  EXPECT_TRUE(std::holds_alternative<PongMsg>(sends_[0].message));

  Happens(Built{build.id, BuildGraph(*build.spec, build.bytes_max)});
  ASSERT_TRUE(Submitted());
  EXPECT_EQ(std::get<SubmittedMsg>(sends_[0].message).req, 2u);
  const JobStatus status = core_->Jobs(Instant{}).back();
  EXPECT_EQ(status.tasks[0].counts.blocks, 10'000u);
  EXPECT_EQ(status.tasks[0].counts.masked, 5'000u);
  Happens(Built{build.id, Error{ErrorCode::kLimit, "late"}});
  EXPECT_TRUE(sends_.empty()) << "each is answered once";
}

TEST_F(JobMemory, WhatCannotBeBuiltElsewhereIsRefused) {
  Start(UINT64_MAX);
  Say(SubmitMsg{4, Masked(10'000)});
  ASSERT_EQ(builds_.size(), 1u);
  Happens(Built{builds_[0].id, Error{ErrorCode::kLimit, "no memory"}});
  EXPECT_EQ(Refusal(), "no memory");
  EXPECT_TRUE(core_->Jobs(Instant{}).empty());
}

TEST_F(JobMemory, AJobThatOutgrowsItsLimitIsEnded) {
  const JobSpec job = Chunks(500'000);
  Start(ExpectedMemory(job, **BuildGraph(job, UINT64_MAX)) + 10'000);
  Say(SubmitMsg{1, job});
  ASSERT_TRUE(Submitted());
  HelloMsg hello;
  hello.role = Role::kWorker;
  constexpr PeerId kSlow{2};
  constexpr PeerId kQuick{3};
  Say(hello, kSlow);
  Say(hello, kQuick);
  // The slow worker keeps a block of each page, the quick worker does the blocks in between.
  const auto running = [&] { return core_->Jobs(Instant{})[0].state == JobState::kRunning; };
  for (int i = 0; running() && i < 40; ++i) {
    Say(AcquireMsg{1}, kSlow);
    for (int batch = 0; running() && batch < 4; ++batch) {
      Say(AcquireMsg{1024}, kQuick);
      std::vector<BlockResult> done;
      for (const Send& send : sends_) {
        const auto* work = std::get_if<WorkMsg>(&send.message);
        if (work == nullptr) continue;
        for (const LeasedBlock& block : work->blocks) {
          done.push_back({block.lease, BlockOutcome::kCompleted, ""});
        }
      }
      Say(ReleaseMsg{std::move(done), 0}, kQuick);
    }
  }
  const JobStatus status = core_->Jobs(Instant{})[0];
  EXPECT_EQ(status.state, JobState::kFailed);
  EXPECT_NE(status.reason.find("of the broker's memory, at most"), std::string::npos)
      << status.reason;
}

}  // namespace
}  // namespace bellis::test
