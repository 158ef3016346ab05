#include "common/task/run_name.h"

#include <gtest/gtest.h>

#include "tests/broker/core/json.h"
#include "tests/broker/core/script.h"

namespace bellis {
namespace {

TEST(RunName, HasTheTimeAndTheJob) {
  EXPECT_EQ(RunName(1'795'748'707, "smooth-1", "k3x9"), "2026-11-27T030507Z_smooth-1_k3x9");
  EXPECT_EQ(RunName(951'782'400, "a-2", "t"), "2000-02-29T000000Z_a-2_t");
  EXPECT_EQ(RunName(UINT32_MAX, "a-2", "t"), "2106-02-07T062815Z_a-2_t");
}

TEST(RunName, IsOneComponentOfAPath) {
  EXPECT_EQ(RunName(1, "../x y\n%2F\"ü-1", "t"), "1970-01-01T000001Z_.._x_y__2F_ü-1_t");
  // The name is cut between characters, not within one.
  const std::string umlauts = "x" + std::string("üüüüüüüüüü") + std::string(200, 'y');
  EXPECT_EQ(RunName(1, umlauts, "t").size(), sizeof("1970-01-01T000001Z__t") - 1 + 100);
  std::string many;
  for (int i = 0; i < 100; ++i) many += "ü";
  EXPECT_EQ(RunName(1, "x" + many, "t").size(), sizeof("1970-01-01T000001Z__t") - 1 + 99);
}

TEST(RunName, IsEmptyIfTheTimeIsUnknown) {
  EXPECT_EQ(RunName(0, "a-1", "t"), "");
  EXPECT_EQ(RunName(1, "a-1", ""), "");
}

class Runs : public testing::Test {
 protected:
  Runs() : script_(Options("k3x9")) { Greet(script_); }

  static CoreOptions Options(const std::string& tag) {
    CoreOptions options;
    options.unix_ms_at_zero = 1'795'748'707'000;
    options.run_tag = tag;
    return options;
  }
  static void Greet(test::Script& script) {
    script.Say("client", R"(["hello", {"role": "client"}])");
  }
  /// The fields of the first launch.
  static test::Json LaunchOf(const std::vector<std::string>& lines) {
    for (const std::string& line : lines) {
      if (line.find("[\"launch\"") != std::string::npos) {
        return test::Json::parse(line.substr(line.find('[')))[1];
      }
    }
    return {};
  }

  const std::string hello_ = R"(["hello", {"role": "launcher", "host": "here", "pid": 7}])";
  test::Script script_;
};

constexpr char kSubmit[] = R"(["submit", {"req": 1, "job": {"name": "smooth", "log_dir": "/logs",
    "origin": {"run": "../../of the client's choice"}, "tasks": [{"task_id": "t",
    "total_roi": {"offset": [0], "shape": [20]}, "read_roi": {"offset": [0], "shape": [10]},
    "write_roi": {"offset": [0], "shape": [10]},
    "workers": [{"command": ["work"], "count": 1}]}]}}])";

TEST_F(Runs, HaveAFolderOfTheirOwnForTheirLogs) {
  script_.Say("launcher", hello_);
  const test::Json launch = LaunchOf(script_.Say("client", kSubmit));
  EXPECT_EQ(launch["log_dir"], "/logs");
  EXPECT_EQ(launch["run"], "2026-11-27T030507Z_smooth-1_k3x9");
  EXPECT_EQ(script_.job().tasks[0].log_dir, "/logs/2026-11-27T030507Z_smooth-1_k3x9");
  script_.set_now_ms(61'000);  // the broker stood still
  const test::Json second = LaunchOf(script_.Say("client", kSubmit));
  EXPECT_EQ(second["run"], "2026-11-27T030608Z_smooth-2_k3x9");
}

TEST_F(Runs, ContinueInTheirFolderWithAnotherBroker) {
  CoreOptions durable = Options("k3x9");
  durable.durable = true;
  test::Script script(durable);
  Greet(script);
  script.Say("client", kSubmit);
  SavedJob saved;
  saved.job = JobNumber(1);
  saved.id = "smooth-1";
  for (const Record& record : script.effects().records) {
    if (const auto* begun = std::get_if<JobBegun>(&record)) saved.spec = begun->spec;
  }
  TakeOver taken;
  taken.saved.marks = {1, 1};
  taken.saved.jobs = {saved};
  taken.progress[JobNumber(1)] = {TaskProgress{}};
  test::Script other(Options("other"));
  other.Take(std::move(taken));
  other.set_now_ms(500'000);
  EXPECT_EQ(LaunchOf(other.Say("launcher", hello_))["run"], "2026-11-27T030507Z_smooth-1_k3x9");
}

}  // namespace
}  // namespace bellis
