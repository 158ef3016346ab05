#include "broker/core/budget.h"

#include <gtest/gtest.h>

namespace bellis::test {
namespace {

TaskSpec Requires(std::map<std::string, uint32_t> required) {
  TaskSpec task;
  task.task_id = "a";
  task.workers = {{{"work"}, 1, {}}};
  task.required = std::move(required);
  return task;
}

TEST(BudgetOwner, LacksWhatIsInUse) {
  Budget budget({{"gpu", 2}, {"cpu", 4}});
  const TaskSpec task = Requires({{"gpu", 1}, {"cpu", 3}});
  EXPECT_EQ(budget.Lacking(task), "");
  Budget::Share share = budget.Take(task);
  EXPECT_EQ(budget.used("cpu"), 3u);
  EXPECT_EQ(budget.Lacking(task), "cpu");
  budget.GiveBack(&share);
  EXPECT_TRUE(share.empty());
  EXPECT_EQ(budget.used("cpu"), 0u);
  EXPECT_EQ(budget.Lacking(task), "");
}

TEST(BudgetOwner, WhoeverWaitsMayTryAgainOnce) {
  Budget budget({{"gpu", 1}});
  Budget::Share share = budget.Take(Requires({{"gpu", 1}}));
  budget.Await(JobNumber(2), 1);
  budget.Await(JobNumber(1), 0);
  budget.Await(JobNumber(1), 0);
  const std::set<Budget::WaitingTask> expected = {{JobNumber(1), 0}, {JobNumber(2), 1}};
  EXPECT_EQ(budget.GiveBack(&share), expected);
  share = budget.Take(Requires({{"gpu", 1}}));
  EXPECT_TRUE(budget.GiveBack(&share).empty());
}

TEST(BudgetOwner, GivingNothingBackWakesNobody) {
  Budget budget({{"gpu", 1}});
  budget.Await(JobNumber(1), 0);
  Budget::Share nothing;
  EXPECT_TRUE(budget.GiveBack(&nothing).empty());
}

TEST(BudgetOwner, WhatIsNotThereFitsNoJob) {
  const Budget budget({{"gpu", 1}});
  JobSpec job;
  job.tasks = {Requires({{"gpu", 2}})};
  EXPECT_FALSE(budget.Fits(job).ok());
  job.tasks = {Requires({{"fpga", 1}})};
  EXPECT_FALSE(budget.Fits(job).ok());
  job.tasks[0].workers.clear();
  EXPECT_TRUE(budget.Fits(job).ok()) << "nothing is launched for it";
}

TEST(BudgetOwner, WithoutResourcesNothingIsCounted) {
  Budget budget({});
  const TaskSpec task = Requires({{"gpu", 100}});
  EXPECT_EQ(budget.Lacking(task), "");
  EXPECT_TRUE(budget.Take(task).empty());
  EXPECT_EQ(budget.used("gpu"), 0u);
}

}  // namespace
}  // namespace bellis::test
