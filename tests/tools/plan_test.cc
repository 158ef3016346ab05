// `bellis plan` as users run it.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/tools/run_fixture.h"

namespace bellis {
namespace {

class PlanCommandTest : public RunTest {
 protected:
  ProcessEnd ShowPlan(const std::vector<std::string>& options = {}) const {
    std::vector<std::string> command = {Program("bellis"), "plan", pipeline()};
    command.insert(command.end(), options.begin(), options.end());
    return RunProcess(command, {}, dir());
  }
};

TEST_F(PlanCommandTest, DescribesAJobAndRunsNothing) {
  WriteTask("smooth", 8, "touch ran", {.workers = 2, .task = "chunk_shape = [5]\n"});
  const ProcessEnd end = ShowPlan();
  EXPECT_EQ(end.exit_code, 0) << end.err;
  EXPECT_EQ(end.err, "");
  EXPECT_EQ(end.out.rfind("\nTask smooth\n  blocks             8\n", 0), 0u) << end.out;
  EXPECT_NE(end.out.find("aligned: no two blocks write into one chunk\n"), std::string::npos);
  EXPECT_EQ(Output("ran"), "");
}

TEST_F(PlanCommandTest, JsonIsOneObject) {
  WriteTask("first", 8, "true");
  WriteTask("second", 8, "true", {.upstream = "first"});
  const ProcessEnd end = ShowPlan({"--json"});
  EXPECT_EQ(end.exit_code, 0) << end.err;
  const auto json = nlohmann::json::parse(end.out);
  EXPECT_EQ(json["blocks"], 16);
  EXPECT_EQ(json["critical_path"], 2);
  EXPECT_EQ(json["tasks"][1]["upstream"][0]["task"], "first");
}

TEST_F(PlanCommandTest, SharedChunksGiveExitCodeOne) {
  WriteTask("smooth", 8, "true", {.task = "chunk_shape = [8]\n"});
  const ProcessEnd end = ShowPlan();
  EXPECT_EQ(end.exit_code, 1);
  EXPECT_NE(end.out.find("\n  error "), std::string::npos) << end.out;
}

TEST_F(PlanCommandTest, BadPipelinesFailAsInRun) {
  WriteTask("smooth", 8, "true", {.task = "fit = \"shirnk\"\n"});
  const ProcessEnd plan = ShowPlan();
  const ProcessEnd run = Run();
  EXPECT_EQ(plan.exit_code, 2);
  EXPECT_EQ(plan.out, "");
  EXPECT_EQ(plan.err, run.err);
  EXPECT_EQ(plan.exit_code, run.exit_code);
}

}  // namespace
}  // namespace bellis
