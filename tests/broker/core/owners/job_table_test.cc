#include "broker/core/job_table.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace bellis::test {
namespace {

class JobTableOwner : public testing::Test {
 protected:
  Job& Add(const std::string& name) {
    auto job = std::make_unique<Job>();
    job->number = jobs_.NextNumber();
    job->id = name + "-" + std::to_string(job->number.value);
    job->spec.name = name;
    job->tasks.resize(2);
    jobs_.Begin(*job);
    return jobs_.Add(std::move(job));
  }

  JobTable jobs_;
};

TEST_F(JobTableOwner, FindsByIdAndByName) {
  Job& first = Add("seg");
  Job& second = Add("seg");
  EXPECT_EQ(jobs_.FindById("seg-1"), &first);
  EXPECT_EQ(jobs_.FindById("other-1"), nullptr);
  EXPECT_EQ(jobs_.FindById("seg-9"), nullptr);
  EXPECT_EQ(jobs_.FindById("seg"), nullptr);
  EXPECT_EQ(jobs_.FindById("seg-99999999999999999999999"), nullptr);
  EXPECT_EQ(jobs_.FindNewest("seg"), &second);
  EXPECT_EQ(jobs_.FindNewest("other"), nullptr);
}

TEST_F(JobTableOwner, ATouchedJobComesOnceAndMayBeTouchedAgain) {
  Job& a = Add("a");
  Job& b = Add("b");
  jobs_.Touch(b, 1);
  jobs_.Touch(a, 0);
  jobs_.Touch(b, 0);
  jobs_.CheckInvariants();
  EXPECT_EQ(jobs_.NextTouched(), &b);
  jobs_.Queue(b);
  EXPECT_EQ(jobs_.NextTouched(), &a);
  EXPECT_EQ(jobs_.NextTouched(), &b);
  EXPECT_EQ(jobs_.NextTouched(), nullptr);
  jobs_.CheckInvariants();
  EXPECT_EQ(b.touched, (std::vector<TaskIndex>{1, 0}));
}

TEST_F(JobTableOwner, CountsThoseThatRun) {
  Job& a = Add("a");
  Add("b");
  EXPECT_EQ(jobs_.running(), 2u);
  jobs_.End(a, JobState::kFailed);
  EXPECT_EQ(jobs_.running(), 1u);
  jobs_.TouchAll();
  EXPECT_FALSE(a.queued);
  jobs_.Begin(a);
  EXPECT_EQ(jobs_.running(), 2u);
  jobs_.CheckInvariants();
}

TEST_F(JobTableOwner, ANumberIsNotGivenAgain) {
  Job& a = Add("a");
  jobs_.End(a, JobState::kCompleted);
  jobs_.Erase(a.number);
  EXPECT_EQ(jobs_.NextNumber(), JobNumber(2));
}

TEST_F(JobTableOwner, AJobThatRunsIsNotForgotten) {
  const Job& a = Add("a");
  EXPECT_DEATH(jobs_.Erase(a.number), "nobody refers");
}

}  // namespace
}  // namespace bellis::test
