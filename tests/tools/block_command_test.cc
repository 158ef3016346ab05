#include "tools/block_command.h"

#include <gtest/gtest.h>

#include "client/cpp/connection.h"
#include "tests/tools/process.h"

namespace bellis {
namespace {

Block TheBlock() {
  LeasedBlock leased;
  leased.lease = LeaseId(77);
  leased.index = 5;
  leased.id = 12;
  leased.read = Roi({-10, 0}, {120, 120});
  leased.write = Roi({0, 10}, {100, 100});
  leased.attempt = 2;
  return Block(leased, std::make_shared<const std::string>("my task"));
}

/// The failure text of `script` for TheBlock, run by sh.
std::string FailureOf(const std::string& script) {
  const auto command = BlockCommand::Make({"sh", "-c", script});
  EXPECT_TRUE(command.ok());
  testing::internal::CaptureStderr();
  const Status status = command->Run(TheBlock());
  testing::internal::GetCapturedStderr();
  return status.ok() ? "" : status.error().message;
}

TEST(BlockCommand, EnvironmentHasTheBlock) {
  EXPECT_EQ(
      BlockEnvironment(TheBlock()),
      (std::vector<std::string>{"BELLIS_TASK=my task", "BELLIS_BLOCK_ID=12", "BELLIS_BLOCK_INDEX=5",
                                "BELLIS_BLOCK_ATTEMPT=2", "BELLIS_BLOCK_LEASE=77",
                                "BELLIS_READ_OFFSET=-10 0", "BELLIS_READ_SHAPE=120 120",
                                "BELLIS_WRITE_OFFSET=0 10", "BELLIS_WRITE_SHAPE=100 100"}));
}

TEST(BlockCommand, JsonHasTheBlock) {
  EXPECT_EQ(BlockJson(TheBlock()), R"({"task":"my task","id":12,"index":5,"attempt":2,"lease":77,)"
                                   R"("read":{"offset":[-10,0],"shape":[120,120]},)"
                                   R"("write":{"offset":[0,10],"shape":[100,100]}})");
}

TEST(BlockCommand, ChildGetsBothAndTheRestOfTheEnvironment) {
  TemporaryDir dir;
  setenv("BELLIS_TEST_OUT", (dir.path() + "/out").c_str(), 1);
  setenv("BELLIS_BLOCK_ID", "stale", 1);
  EXPECT_EQ(FailureOf("{ echo \"$BELLIS_BLOCK_ID $BELLIS_READ_OFFSET\"; cat; } > "
                      "$BELLIS_TEST_OUT"),
            "");
  unsetenv("BELLIS_BLOCK_ID");
  EXPECT_EQ(ReadAll(dir.path() + "/out"), "12 -10 0\n" + BlockJson(TheBlock()) + "\n");
}

TEST(BlockCommand, FailureSaysCodeAndLastLineFirst) {
  EXPECT_EQ(FailureOf("exit 3"), "exited with code 3");
  EXPECT_EQ(FailureOf("echo 'out of disk' >&2; exit 1"), "exited with code 1: out of disk");
  EXPECT_EQ(FailureOf("echo Traceback >&2; echo 'ValueError: x' >&2; exit 1"),
            "exited with code 1: ValueError: x\nTraceback\nValueError: x");
}

TEST(BlockCommand, SignalIsNamed) {
  EXPECT_EQ(FailureOf("kill -9 $$"), "ended by signal 9 (Killed)");
}

TEST(BlockCommand, OnlyTheEndOfALongStderrIsKept) {
  const std::string failure =
      FailureOf("i=0; while [ $i -lt 2000 ]; do echo line $i >&2; i=$((i+1)); done; exit 1");
  EXPECT_EQ(failure.find("exited with code 1: line 1999\n"), 0u);
  EXPECT_LT(failure.size(), 4200u);
}

TEST(BlockCommand, StderrIsPassedOn) {
  const auto command = BlockCommand::Make({"sh", "-c", "echo hello >&2"});
  testing::internal::CaptureStderr();
  EXPECT_TRUE(command->Run(TheBlock()).ok());
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "hello\n");
}

TEST(BlockCommand, AGrandchildThatKeepsStderrOpenIsNotWaitedFor) {
  const Instant start = ClientNow();
  EXPECT_EQ(FailureOf("sleep 30 & exit 0"), "");
  EXPECT_LT((ClientNow() - start).seconds(), 10);
}

TEST(BlockCommand, ChildThatClosesItsStderrIsWaitedFor) {
  EXPECT_EQ(FailureOf("exec 2>&-; sleep 0.2; exit 4"), "exited with code 4");
}

TEST(BlockCommand, AScriptWithoutInterpreterLineIsRunByTheShell) {
  TemporaryDir dir;
  const auto command = BlockCommand::Make({dir.Write("s", "exit $1\n", true), "6"});
  ASSERT_TRUE(command.ok());
  EXPECT_EQ(command->Run(TheBlock()).error().message, "exited with code 6");
}

TEST(BlockCommand, AMissingProgramIsNoticedBeforeAnyBlock) {
  TemporaryDir dir;
  EXPECT_EQ(BlockCommand::Make({"no-such-program-here"}).error().message,
            "command 'no-such-program-here' was not found");
  EXPECT_EQ(BlockCommand::Make({"/no/such/program"}).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(BlockCommand::Make({""}).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(BlockCommand::Make({dir.path()}).error().code, ErrorCode::kNotFound) << "a directory";
  EXPECT_EQ(BlockCommand::Make({dir.Write("plain", "x")}).error().code, ErrorCode::kIo);
  EXPECT_TRUE(BlockCommand::Make({"sh"}).ok());
}

}  // namespace
}  // namespace bellis
