#include "common/task/status_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/tools/status_fixture.h"

namespace bellis {
namespace {

TEST(StatusJson, JsonHasTheFieldsOfTheProtocol) {
  TaskStatus task = TestTask("smooth", 4, 2, 1);
  task.languages = {{"c++", 2, 1.5}};
  task.failures = {{7, 5, 1, WorkerId(3), "bad \"quote\"\n"}};
  task.failures_total = 1;
  EXPECT_EQ(
      JsonLine(StatusToJson(TestJob({task}))),
      R"({"job":"job-1","name":"my job","state":"running","reason":"","elapsed_s":12.3,)"
      R"("user":"","host":"","submitted_at":0,"tasks":[{"task":"smooth","blocks":4,"masked":0,"pending":1,"ready":0,"leased":1,)"
      R"("completed":2,"skipped":0,"failed":0,"orphaned":0,"levels":0,"workers_starting":0,)"
      R"("workers_live":0,"worker_restarts":0,"block_ms_mean":0.0,)"
      R"("languages":[{"language":"c++","blocks":2,"block_ms_mean":1.5}],)"
      R"("failures":[{"block":7,"index":5,"attempt":1,"worker":3,)"
      R"("error":"bad \"quote\"\n"}],"failures_total":1,"error":"","log_dir":"",)"
      R"("paused":false,"notices":[]}]})");
}

TEST(StatusJson, BytesThatAreNotUtf8DoNotBreakTheJson) {
  const std::string line = JsonLine(StatusToJson(TestJob({TestTask("a\xff", 1)})));
  EXPECT_NE(line.find("a\uFFFD"), std::string::npos);
}

}  // namespace
}  // namespace bellis
