// `bellis exec` as a process; the test plays the broker.

#include <gtest/gtest.h>
#include <signal.h>

#include "common/access/access.h"
#include "tests/tools/process.h"

namespace bellis {
namespace {

std::map<std::string, std::string> EnvironmentFor(const FakeBroker& broker) {
  return {{"BELLIS_ENDPOINT", broker.endpoint()},
          {"BELLIS_TASK", "smooth"},
          {"BELLIS_PREFETCH", "0"}};  // a command may take less than a millisecond
}

std::vector<std::string> Exec(std::vector<std::string> command) {
  command.insert(command.begin(), {Program("bellis"), "exec", "--"});
  return command;
}

TEST(Exec, RunsTheCommandForEveryBlockAndLeaves) {
  TemporaryDir dir;
  FakeBroker broker(HandOut(3));
  const ProcessEnd end = RunProcess(Exec({"sh", "-c", "echo $BELLIS_BLOCK_ID >> ids"}),
                                    EnvironmentFor(broker), dir.path());
  EXPECT_EQ(end.exit_code, 0) << end.err;
  EXPECT_EQ(ReadAll(dir.path() + "/ids"), "0\n1\n2\n");
  EXPECT_EQ(broker.All<HelloMsg>().at(0).language, "command");
  ASSERT_TRUE(broker.AwaitKind("bye"));
  EXPECT_EQ(broker.kinds(), "hello acquire release release release bye");
}

TEST(Exec, ArgumentsReachTheCommandAsTheyAre) {
  TemporaryDir dir;
  FakeBroker broker(HandOut(1));
  const ProcessEnd end = RunProcess(Exec({"sh", "-c", "printf '<%s>' \"$@\" > args", "sh", "--json",
                                          "-x", "--", "", "[1,2]", "a b", "--help"}),
                                    EnvironmentFor(broker), dir.path());
  EXPECT_EQ(end.exit_code, 0) << end.err;
  EXPECT_EQ(ReadAll(dir.path() + "/args"), "<--json><-x><--><><[1,2]><a b><--help>");
}

TEST(Exec, FailedCommandFailsTheBlockAndTheNextOneIsTaken) {
  FakeBroker broker(HandOut(2));
  const ProcessEnd end =
      RunProcess(Exec({"sh", "-c", "echo bad pixel >&2; exit $((3 - BELLIS_BLOCK_INDEX * 3))"}),
                 EnvironmentFor(broker));
  EXPECT_EQ(end.exit_code, 0) << end.err;
  EXPECT_NE(end.err.find("block 0 of task 'smooth' failed (attempt 1): exited with code 3"),
            std::string::npos)
      << end.err;
  std::vector<BlockResult> results;
  for (const auto& release : broker.All<ReleaseMsg>()) {
    results.insert(results.end(), release.results.begin(), release.results.end());
  }
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[0].outcome, BlockOutcome::kFailed);
  EXPECT_EQ(results[0].error, "exited with code 3: bad pixel");
  EXPECT_EQ(results[1].outcome, BlockOutcome::kCompleted);
}

TEST(Exec, BatchGivesSeveralBlocksToOneRun) {
  TemporaryDir dir;
  FakeBroker broker(HandOut(5));
  const ProcessEnd end = RunProcess(
      {Program("bellis"), "exec", "--batch", "2", "--", "sh", "-c",
       "echo $BELLIS_BLOCKS $BELLIS_TASK \"${BELLIS_BLOCK_ID:-none}\" >> runs; cat >> blocks"},
      EnvironmentFor(broker), dir.path());
  EXPECT_EQ(end.exit_code, 0) << end.err;
  const std::string blocks = ReadAll(dir.path() + "/blocks");
  EXPECT_EQ(std::count(blocks.begin(), blocks.end(), '\n'), 5) << blocks;
  for (int id = 0; id < 5; ++id) {
    EXPECT_NE(blocks.find("\"id\":" + std::to_string(id)), std::string::npos) << blocks;
  }
  EXPECT_EQ(ReadAll(dir.path() + "/runs").substr(0, 14), "2 smooth none\n");
  size_t completed = 0;
  for (const auto& release : broker.All<ReleaseMsg>()) completed += release.results.size();
  EXPECT_EQ(completed, 5u);
}

TEST(Exec, OnlyTheBlockAtFaultOfABatchFails) {
  TemporaryDir dir;
  FakeBroker broker(HandOut(4));
  const ProcessEnd end = RunProcess({Program("bellis"), "exec", "--batch", "4", "--", "sh", "-c",
                                     "echo ${BELLIS_BLOCK_ID:-all} >> runs; ! grep -q '\"id\":2,'"},
                                    EnvironmentFor(broker), dir.path());
  EXPECT_EQ(end.exit_code, 0) << end.err;
  EXPECT_EQ(ReadAll(dir.path() + "/runs"), "all\n0\n1\n2\n3\n");
  std::vector<CantorId> failed;
  for (const auto& release : broker.All<ReleaseMsg>()) {
    for (const BlockResult& result : release.results) {
      if (result.outcome == BlockOutcome::kFailed) failed.push_back(result.lease.value - 1);
    }
  }
  EXPECT_EQ(failed, std::vector<CantorId>{2});
}

TEST(Exec, BatchOutOfRangeIsBadUsage) {
  const ProcessEnd end = RunProcess({Program("bellis"), "exec", "--batch", "0", "--", "true"}, {});
  EXPECT_EQ(end.exit_code, 2);
  EXPECT_NE(end.err.find("--batch"), std::string::npos) << end.err;
}

TEST(Exec, MissingCommandExits127BeforeTakingABlock) {
  FakeBroker broker(HandOut(1));
  const ProcessEnd end = RunProcess(Exec({"no-such-program"}), EnvironmentFor(broker));
  EXPECT_EQ(end.exit_code, 127);
  EXPECT_EQ(end.err, "bellis: command 'no-such-program' was not found\n");
  EXPECT_EQ(broker.kinds(), "");
}

TEST(Exec, NoBrokerExits3) {
  const ProcessEnd end = RunProcess(Exec({"true"}), {{"BELLIS_ENDPOINT", "ipc:///tmp/bellis-none"},
                                                     {"BELLIS_CONNECT_TIMEOUT", "0.1"}});
  EXPECT_EQ(end.exit_code, 3);
  EXPECT_EQ(end.err,
            "bellis: no broker answers at ipc:///tmp/bellis-none: there is no \"bellis-none\", and "
            "any user of this machine could make it meanwhile, so nobody waits for it; is "
            "bellis-broker running?\n");
}

TEST(Exec, TokenComesFromTheAccessFileInTheEnvironment) {
  TemporaryDir dir;
  FakeBroker broker(HandOut(0));
  auto environment = EnvironmentFor(broker);
  Access access;
  access.token = "secret";
  environment["BELLIS_ACCESS"] = dir.path() + "/access";
  ASSERT_TRUE(WriteAccessFile(environment["BELLIS_ACCESS"], access).ok());
  EXPECT_EQ(RunProcess(Exec({"true"}), environment).exit_code, 0);
  EXPECT_EQ(broker.All<HelloMsg>().at(0).token, "secret");
}

TEST(Exec, TermEndsTheCommandAndReturnsTheBlock) {
  FakeBroker broker(HandOut(1));
  Process exec(Exec({"sleep", "1000"}), EnvironmentFor(broker), ".");
  ASSERT_TRUE(Eventually([&] { return exec.Descendants().size() == 2; }));
  exec.Signal(SIGTERM);
  const ProcessEnd end = exec.Wait();
  EXPECT_EQ(end.exit_code, 143);
  EXPECT_TRUE(exec.NothingIsLeft());
  ASSERT_TRUE(broker.AwaitKind("bye"));
  EXPECT_EQ(broker.All<ReleaseMsg>().at(0).results.at(0).outcome, BlockOutcome::kReturned)
      << "the block is not to blame";
}

TEST(Exec, CtrlCEndsAWaitingExec) {
  FakeBroker broker([](FakeBroker& self, const FakeBroker::Peer& peer, const Message& message) {
    if (std::holds_alternative<HelloMsg>(message)) self.Send(peer, WelcomeMsg{});
  });
  Process exec(Exec({"true"}), EnvironmentFor(broker), ".");
  ASSERT_TRUE(broker.AwaitKind("acquire"));
  exec.SignalGroup(SIGINT);
  EXPECT_EQ(exec.Wait().exit_code, 130);
  EXPECT_TRUE(broker.AwaitKind("bye"));
}

TEST(Exec, TheCommandEndsWithAKilledExec) {
  FakeBroker broker(HandOut(1));
  Process exec(Exec({"sleep", "1000"}), EnvironmentFor(broker), ".");
  ASSERT_TRUE(Eventually([&] { return exec.Descendants().size() == 2; }));
  exec.Signal(SIGKILL);
  EXPECT_EQ(exec.Wait().signal, SIGKILL);
  EXPECT_TRUE(exec.NothingIsLeft());
}

TEST(Exec, ProgramIsRequired) {
  for (const auto& command : {std::vector<std::string>{"exec"}, {"exec", "--"}}) {
    std::vector<std::string> line = command;
    line.insert(line.begin(), Program("bellis"));
    const ProcessEnd end = RunProcess(line);
    EXPECT_EQ(end.exit_code, 2);
    EXPECT_NE(end.err.find("'--' and a program after it is required"), std::string::npos)
        << end.err;
  }
}

}  // namespace
}  // namespace bellis
